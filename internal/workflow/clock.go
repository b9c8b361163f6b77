package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

const (
	clockTick   = 15 * time.Second // how often RunClock looks without being told
	timersAtOne = 50               // timers settled in one transaction
	laterTimer  = time.Minute      // when one is tried again that could not be settled
)

// timekeeper is who the journal names for what time brings about.
func timekeeper() journal.Actor { return journal.System("timer") }

// RunClock does what time brings about until ctx ends, and returns nil then:
// alarms for urgent documents, warnings about documents of which nothing is
// heard, and the mail of the morning. What is due lies in the database, so a
// restart loses nothing and repeats nothing.
func (w *Workflow) RunClock(ctx context.Context) error {
	tick := time.NewTicker(clockTick)
	defer tick.Stop()
	for {
		if err := w.Tick(ctx); err != nil && ctx.Err() == nil {
			w.opt.Log.ErrorContext(ctx, "not everything was done that is due", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.docs.TimersChanged():
		case <-tick.C:
		}
	}
}

// Tick does what is due now, once.
func (w *Workflow) Tick(ctx context.Context) error {
	return errors.Join(w.ring(ctx), w.mornings(ctx))
}

// ring settles the timers whose time has come.
func (w *Workflow) ring(ctx context.Context) error {
	for ctx.Err() == nil {
		var list []docstore.Timer
		err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
			list, err = docstore.Ringing(ctx, r, w.opt.Now(), timersAtOne)
			return err
		})
		if err != nil || len(list) == 0 {
			return err
		}
		if err := w.settleTimers(ctx, list...); err == nil {
			continue
		}
		for _, t := range list { // one that cannot be settled does not hold the others up
			err := w.settleTimers(ctx, t)
			if err == nil {
				continue
			}
			w.opt.Log.WarnContext(ctx, "a timer could not be settled", "dispatch", int64(t.Dispatch), "kind", string(t.Kind), "err", err)
			t.Next = w.opt.Now().Add(laterTimer)
			if err := w.db.Update(ctx, func(tx *sqldb.Tx) error { return w.docs.SetTimer(ctx, tx, t) }); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (w *Workflow) settleTimers(ctx context.Context, list ...docstore.Timer) error {
	units := w.dir.Snapshot()
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		for _, t := range list {
			d, err := docstore.DispatchByID(ctx, tx, t.Dispatch)
			if err != nil {
				return err
			}
			doc, err := docstore.DocumentByID(ctx, tx, d.Document)
			if err != nil {
				return err
			}
			rings := ringing{t, d, doc}
			if t.Kind == docstore.TimerNews {
				err = w.noNews(ctx, tx, units, rings)
			} else {
				err = w.alarm(ctx, tx, units, rings)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ringing is a timer with what it is about.
type ringing struct {
	timer docstore.Timer
	d     docstore.Dispatch
	doc   docstore.Document
}

// alarm tells the clerks of a unit at once that an urgent document has come,
// its leaders too when it is a flash, and once more with them when nobody has
// acted in time.
func (w *Workflow) alarm(ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, x ringing) error {
	if x.d.State != docstore.StateArrived {
		return w.docs.EndTimer(ctx, tx, x.timer)
	}
	again := x.timer.Stage > 0
	people := units.ClerksOf(x.d.To)
	if again || x.doc.Urgency >= edoc.UrgencyFlash || len(people) == 0 {
		for _, a := range leaders(units, x.d.To) {
			if !slices.Contains(people, a) {
				people = append(people, a)
			}
		}
	}
	now := w.opt.Now()
	unit, _ := units.Unit(x.d.To)
	told, err := w.tellPeople(ctx, tx, units, people, mailstore.Flagged, now, func(from mail.Mailbox, to []mail.Mailbox) mail.Builder {
		return alarmMessage(from, to, x, alarmText{unit: unit.Name, again: again, limit: w.opt.UrgentLimit, now: now})
	})
	if err != nil {
		return err
	}
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "doc.alarm", Actor: timekeeper(), Subject: string(x.doc.ULID), Unit: int64(x.d.To),
		Data: alarmData{Dispatch: x.d.ULID, Urgency: int(x.doc.Urgency), Again: again, Told: told},
	}); err != nil {
		return err
	}
	if again {
		return w.docs.EndTimer(ctx, tx, x.timer)
	}
	x.timer.Stage, x.timer.Next = 1, now.Add(w.opt.UrgentLimit)
	return w.docs.SetTimer(ctx, tx, x.timer)
}

type alarmData struct {
	Dispatch docstore.ULID         `json:"dispatch"`
	Urgency  int                   `json:"urgency"`
	Again    bool                  `json:"again"`
	Told     []directory.AccountID `json:"told"`
}

// leaders gives the leaders of a unit, and those that act for one.
func leaders(units *directory.Snapshot, unit directory.UnitID) (list []directory.AccountID) {
	for _, a := range units.AccountsOf(unit) {
		if units.HasRole(a, unit, directory.RoleLeader) {
			list = append(list, a)
		}
	}
	return list
}

// tellPeople puts one message of ours into the INBOX of each of the people, and
// gives those who have it. A full or missing mailbox does not hold the others up.
func (w *Workflow) tellPeople(
	ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, people []directory.AccountID, flags mailstore.FlagSet, at time.Time,
	b func(from mail.Mailbox, to []mail.Mailbox) mail.Builder,
) (told []directory.AccountID, err error) {
	var to []mail.Mailbox
	for _, id := range people {
		if a, ok := units.Account(id); ok {
			to = append(to, mail.Mailbox{Name: a.Name, Addr: a.Login})
		}
	}
	if len(to) == 0 {
		return nil, nil
	}
	body, err := w.compose(b(w.author(to[0].Addr), to))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Release()) }()
	msg, err := w.boxes.Store(ctx, tx, body, []byte(nullSender), at)
	if err != nil {
		return nil, err
	}
	for _, id := range people {
		inbox, err := w.boxes.Inbox(ctx, tx, mailstore.Owner{Account: id})
		if err == nil {
			_, err = w.boxes.Deliver(ctx, tx, inbox, msg, flags, at)
		}
		switch {
		case err == nil:
			told = append(told, id)
		case errors.Is(err, mailstore.ErrOverQuota), errors.Is(err, mailstore.ErrNoMailbox):
			w.opt.Log.WarnContext(ctx, "a notice was not delivered", "account", int64(id), "err", err)
		default:
			return told, err
		}
	}
	return told, nil
}

// noNews warns the sender of a document to another server that no 01 has come,
// and later gives it up. edoc.md §4.3, row 6.
func (w *Workflow) noNews(ctx context.Context, tx *sqldb.Tx, units *directory.Snapshot, x ringing) error {
	if x.d.State != docstore.StateQueued && x.d.State != docstore.StateSent {
		return w.docs.EndTimer(ctx, tx, x.timer)
	}
	warn, expire := w.docs.NewsLimits().Of(x.doc.Urgency)
	if x.timer.Stage == 0 {
		until := x.timer.Next.Add(expire - warn)
		d, ev, err := w.docs.NoNews(ctx, tx, timekeeper(), x.d.ID, "hệ thống còn chờ đến "+clock(until))
		if err != nil {
			return err
		}
		if err := w.tellSender(ctx, tx, units, x.doc, notHeard(x.doc, line{unitName(units, d), d, ev}, warn, until), ev.At); err != nil {
			return err
		}
		x.timer.Stage, x.timer.Next = 1, until
		return w.docs.SetTimer(ctx, tx, x.timer)
	}
	d, ev, err := w.docs.Transition(ctx, tx, timekeeper(), x.d.ID, docstore.Act{
		Event: docstore.EventExpire, Source: docstore.SourceSystem, Note: "không có xác nhận đã đến",
	})
	if err != nil {
		return err
	}
	if x.d.State == docstore.StateQueued { // it must not leave after all
		if err := w.unqueue(ctx, tx, d); err != nil {
			return err
		}
	}
	if err := w.tellSender(ctx, tx, units, x.doc, givenUp(x.doc, line{unitName(units, d), d, ev}, x.d.State, expire), ev.At); err != nil {
		return err
	}
	return w.docs.EndTimer(ctx, tx, x.timer)
}

// toldLate tells the sender that a document is there after all which was given
// up: its dispatch stays expired (edoc.md §4.3), so nothing else would say so.
func (w *Workflow) toldLate(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, ev docstore.StatusEvent) error {
	if d.State != docstore.StateExpired || ev.Status != edoc.StatusArrived && ev.Status != edoc.StatusRegistered && ev.Status != edoc.StatusRefused {
		return nil
	}
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	units := w.dir.Snapshot()
	return w.tellSender(ctx, tx, units, doc, heardLate(doc, line{unitName(units, d), d, ev}), ev.At)
}

// alarmText is what an alarm says besides the document.
type alarmText struct {
	unit  string
	again bool
	limit time.Duration
	now   time.Time
}

func alarmMessage(from mail.Mailbox, to []mail.Mailbox, x ringing, a alarmText) mail.Builder {
	degree := strings.ToUpper(x.doc.Urgency.Name())
	title := "VĂN BẢN " + degree + " CHỜ TIẾP NHẬN"
	todo := fmt.Sprintf("vào sổ và trình ngay, trong %s", spell(a.limit))
	if a.again {
		title = "NHẮC LẠI: " + title
		todo = "vào sổ và trình ngay; lãnh đạo đơn vị cùng nhận thư này"
	}
	var s strings.Builder
	s.WriteString(title + "\n\n")
	fact(&s, "Văn bản", join(join(x.doc.Type.Name, label(x.doc)), x.doc.Abstract))
	fact(&s, "Bên gửi", x.doc.IssuerName)
	fact(&s, "Bên nhận", a.unit)
	fact(&s, "Đến lúc", clock(x.d.Arrived)+" (+07:00)")
	if !x.d.Due.IsZero() {
		fact(&s, "Hạn xử lý", clock(x.d.Due)+" (+07:00)")
	}
	fact(&s, "Việc cần làm", todo)
	fact(&s, "Nơi xem", "thư mục “Văn bản đến/1 Chờ tiếp nhận” của đơn vị")
	b := mail.Builder{
		From: from, To: to, Subject: oneLine(fmt.Sprintf("[%s] %s %s", degree, label(x.doc), x.doc.Abstract)),
		Date: a.now.In(vietnam), MessageID: mail.NewMessageID(from.Addr.Domain), AutoSubmitted: autoGenerated, Language: "vi",
		Extra: []mail.ExtraField{
			{Name: "X-VB-Dispatch", Value: string(x.d.ULID)}, {Name: "Importance", Value: "high"}, {Name: "X-Priority", Value: "1"},
		},
		Text: s.String(),
	}
	if a.again {
		b.Subject = "Nhắc lại " + b.Subject
	}
	inThread(&b, x.doc)
	return b
}

// spell writes a duration in Vietnamese.
func spell(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%d giờ", int(d/time.Hour))
	case d%time.Minute == 0:
		return fmt.Sprintf("%d phút", int(d/time.Minute))
	}
	return fmt.Sprintf("%d giây", int(d/time.Second))
}

func notHeard(doc docstore.Document, l line, after time.Duration, until time.Time) func(from, to mail.Mailbox) mail.Builder {
	return notice{
		title: "CẢNH BÁO CHƯA ĐẾN: VĂN BẢN", tag: "Chưa đến", text: l.unit + ": sau " + spell(after) + " chưa có xác nhận đã đến",
		body: func(s *strings.Builder) {
			fact(s, "Tình trạng", l.dispatch.State.Name()+", sau "+spell(after)+" chưa có xác nhận đã đến")
			fact(s, "Còn chờ đến", clock(until)+" (+07:00)")
			fact(s, "Việc cần làm", "nếu gấp, hãy liên hệ văn thư bên nhận; quá thời gian trên hệ thống báo hết hạn chuyển")
		},
	}.to(doc, l)
}

func givenUp(doc docstore.Document, l line, was docstore.State, after time.Duration) func(from, to mail.Mailbox) mail.Builder {
	todo := "bản tin đã rời máy chủ này nhưng không có xác nhận: liên hệ văn thư bên nhận, gửi lại bằng thư mới nếu chưa đến"
	if was == docstore.StateQueued {
		todo = "văn bản chưa rời máy chủ này và không được chuyển nữa: kiểm tra địa chỉ, đường truyền rồi gửi lại bằng thư mới"
	}
	return notice{
		title: "HẾT HẠN CHUYỂN VĂN BẢN", tag: "Hết hạn chuyển", text: l.unit + ": sau " + spell(after) + " không có xác nhận đã đến",
		body: func(s *strings.Builder) { fact(s, "Việc cần làm", todo) },
	}.to(doc, l)
}

func heardLate(doc docstore.Document, l line) func(from, to mail.Mailbox) mail.Builder {
	return notice{
		title: "BÁO MUỘN VỀ VĂN BẢN", tag: "Báo muộn", text: l.unit + ": " + l.last.Status.Name(),
		body: func(s *strings.Builder) {
			fact(s, "Trạng thái", l.last.Status.Name()+" (bên nhận báo sau khi đã hết hạn chuyển)")
			fact(s, "Lý do", l.last.Reason.Vi())
			fact(s, "Việc cần làm", "không phải gửi lại nếu chưa gửi")
		},
	}.to(doc, l)
}

// to leaves out who writes to whom.
func (n notice) to(doc docstore.Document, l line) func(from, to mail.Mailbox) mail.Builder {
	return func(from, to mail.Mailbox) mail.Builder { return n.builder(from, to, doc, l) }
}
