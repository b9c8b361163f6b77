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
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

const (
	digestLines  = 15            // of one section; the rest is counted
	digestsAtOne = 50            // mails written in one transaction
	digestWithin = 8 * time.Hour // a server that was down makes up for it for so long
)

// A matter is one line of a mail of the morning.
type matter struct {
	doc   docstore.Document
	unit  directory.UnitID
	due   time.Time
	state docstore.DueState
	who   string // in charge
}

// morning is what one person is told.
type morning struct {
	mine     []matter // assigned to the person
	register []matter // waits to be registered
	answer   []matter // recalls and changes that wait for an answer
	late     []matter // overdue in the person's units
	silent   []silence
	recalls  []matter // overdue answers in units that the person watches over
}

// silence is a unit that has not registered what arrived.
type silence struct {
	unit   string
	count  int
	oldest time.Time
}

func (m *morning) empty() bool {
	return len(m.mine)+len(m.register)+len(m.answer)+len(m.late)+len(m.silent)+len(m.recalls) == 0
}

// mornings writes the mail of the morning to everybody who has not had it today
// and for whom something waits. Who was looked at is recorded in the same
// transaction, so that nobody gets it twice, whatever happens.
func (w *Workflow) mornings(ctx context.Context) error {
	now := w.opt.Now()
	at := worktime.At(now, w.opt.Digest)
	today := worktime.DateOf(now).String()
	if w.opt.Digest <= 0 || now.Before(at) || now.Sub(at) > digestWithin || w.digested.Load() == dayNumber(now) {
		return nil
	}
	units := w.dir.Snapshot()
	var all map[directory.AccountID]*morning
	had := map[directory.AccountID]bool{}
	err := w.db.View(ctx, func(r sqldb.Reader) error {
		g := gathering{w: w, r: r, units: units, now: now, all: map[directory.AccountID]*morning{}, docs: map[docstore.DocumentID]docstore.Document{}}
		if err := g.gather(ctx); err != nil {
			return err
		}
		all = g.all
		return w.readDigests(ctx, r, today, had)
	})
	if err != nil {
		return err
	}
	var some []directory.Account
	for _, a := range units.Accounts() {
		if had[a.ID] || a.State != directory.Active {
			continue
		}
		if some = append(some, a); len(some) == digestsAtOne {
			if err := w.writeMornings(ctx, units, some, all, today); err != nil {
				return err
			}
			some = nil
		}
	}
	if err := w.writeMornings(ctx, units, some, all, today); err != nil {
		return err
	}
	w.digested.Store(dayNumber(now))
	return nil
}

func dayNumber(t time.Time) int64 {
	d := worktime.DateOf(t)
	return int64(d.Year)*10000 + int64(d.Month)*100 + int64(d.Day)
}

func (w *Workflow) readDigests(ctx context.Context, r sqldb.Reader, day string, had map[directory.AccountID]bool) (err error) {
	rows, err := r.Query(ctx, qDigests, day)
	if err != nil {
		return fmt.Errorf("read who had the mail of the morning: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id directory.AccountID
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("read who had the mail of the morning: %w", err)
		}
		had[id] = true
	}
	return rows.Err()
}

func (w *Workflow) writeMornings(
	ctx context.Context, units *directory.Snapshot, people []directory.Account, all map[directory.AccountID]*morning, day string,
) (err error) {
	if len(people) == 0 {
		return nil
	}
	now := w.opt.Now()
	bodies := map[directory.AccountID]*mailstore.Finished{}
	defer func() {
		for _, b := range bodies {
			err = errors.Join(err, b.Release())
		}
	}()
	for _, a := range people {
		m := all[a.ID]
		if m == nil || m.empty() {
			continue
		}
		to := mail.Mailbox{Name: a.Name, Addr: a.Login}
		body, err := w.compose(m.message(w.author(to.Addr), to, units, now))
		if err != nil {
			return err
		}
		bodies[a.ID] = body
	}
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		for _, a := range people {
			if _, err := tx.Exec(ctx, qSetDigest, int64(a.ID), day); err != nil {
				return fmt.Errorf("record who had the mail of the morning: %w", err)
			}
			body := bodies[a.ID]
			if body == nil {
				continue
			}
			inbox, err := w.boxes.Inbox(ctx, tx, mailstore.Owner{Account: a.ID})
			if err == nil {
				_, err = w.put(ctx, tx, body, inbox, now)
			}
			switch {
			case err == nil:
			case errors.Is(err, mailstore.ErrOverQuota), errors.Is(err, mailstore.ErrNoMailbox):
				w.opt.Log.WarnContext(ctx, "a mail of the morning was not delivered", "account", int64(a.ID), "err", err)
			default:
				return err
			}
		}
		return nil
	})
}

// gathering collects what everybody is told.
type gathering struct {
	w     *Workflow
	r     sqldb.Reader
	units *directory.Snapshot
	now   time.Time
	cals  docstore.Calendars
	all   map[directory.AccountID]*morning
	docs  map[docstore.DocumentID]docstore.Document
}

func (g *gathering) of(a directory.AccountID) *morning {
	m := g.all[a]
	if m == nil {
		m = &morning{}
		g.all[a] = m
	}
	return m
}

// works reports whether there is work today in a unit.
func (g *gathering) works(unit directory.UnitID) bool { return g.cals.Of(unit).IsWorkday(g.now) }

func (g *gathering) matter(ctx context.Context, d docstore.Dispatch, due time.Time, state docstore.DueState) (matter, error) {
	doc, ok := g.docs[d.Document]
	if !ok {
		var err error
		if doc, err = docstore.DocumentByID(ctx, g.r, d.Document); err != nil {
			return matter{}, err
		}
		g.docs[d.Document] = doc
	}
	return matter{doc: doc, unit: d.To, due: due, state: state}, nil
}

func (g *gathering) gather(ctx context.Context) (err error) {
	if g.cals, err = g.w.docs.Calendars(ctx, g.r); err != nil {
		return err
	}
	return errors.Join(g.assigned(ctx), g.waiting(ctx), g.requests(ctx), g.overdue(ctx))
}

// stateAt is the due state of something that is due at a time.
func stateAt(cal *worktime.Calendar, now, due time.Time) docstore.DueState {
	switch {
	case due.IsZero():
		return ""
	case now.After(due):
		return docstore.DueOver
	case cal.Soon(now, due):
		return docstore.DueSoon
	}
	return docstore.DueOpen
}

// assigned tells people what they have to do.
func (g *gathering) assigned(ctx context.Context) error {
	list, err := docstore.Assigned(ctx, g.r)
	if err != nil {
		return err
	}
	for _, x := range list {
		if !g.works(x.Dispatch.To) || x.Role == docstore.RoleNotice {
			continue
		}
		due := x.Due
		if due.IsZero() {
			due = x.Dispatch.Due
		}
		m, err := g.matter(ctx, x.Dispatch, due, stateAt(g.cals.Of(x.Dispatch.To), g.now, due))
		if err != nil {
			return err
		}
		mine := g.of(x.Account)
		mine.mine = append(mine.mine, m)
	}
	return nil
}

// waiting tells clerks what they have to register, and those above which units
// are silent.
func (g *gathering) waiting(ctx context.Context) error {
	list, err := docstore.Waiting(ctx, g.r, 0)
	if err != nil {
		return err
	}
	quiet := map[directory.UnitID]*silence{}
	for _, d := range list {
		by := g.cals.Of(d.To).RegisterBy(d.Arrived)
		if g.now.After(by) {
			s := quiet[d.To]
			if s == nil {
				unit, _ := g.units.Unit(d.To)
				s = &silence{unit: unit.Name, oldest: d.Arrived}
				quiet[d.To] = s
			}
			s.count++
		}
		if !g.works(d.To) {
			continue
		}
		m, err := g.matter(ctx, d, by, stateAt(g.cals.Of(d.To), g.now, by))
		if err != nil {
			return err
		}
		for _, a := range g.units.ClerksOf(d.To) {
			mine := g.of(a)
			mine.register = append(mine.register, m)
		}
	}
	for _, u := range g.units.Units() {
		s := quiet[u.ID]
		if s == nil {
			continue
		}
		for _, a := range g.watchers(u) {
			mine := g.of(a)
			mine.silent = append(mine.silent, *s)
		}
	}
	return nil
}

// watchers gives those who watch over a unit: the clerks and leaders of the units
// above it, and the auditors of these or of the whole province.
func (g *gathering) watchers(u directory.Unit) (list []directory.AccountID) {
	add := func(ids ...directory.AccountID) {
		for _, id := range ids {
			if !slices.Contains(list, id) {
				list = append(list, id)
			}
		}
	}
	for up, depth := u.Parent, 0; up != 0 && depth < maxUnitDepth; depth++ {
		above, _ := g.units.Unit(up)
		if g.works(up) {
			add(g.units.ClerksOf(up)...)
			add(leaders(g.units, up)...)
		}
		up = above.Parent
	}
	if g.works(0) {
		for _, a := range g.units.Accounts() {
			if g.units.HasRole(a.ID, u.ID, directory.RoleAuditor) {
				add(a.ID)
			}
		}
	}
	return list
}

// maxUnitDepth bounds the way up from a unit.
const maxUnitDepth = 10

// requests tells clerks what senders ask of them, and auditors where an answer
// is overdue.
func (g *gathering) requests(ctx context.Context) error {
	list, err := docstore.Requests(ctx, g.r)
	if err != nil {
		return err
	}
	for _, q := range list {
		m, err := g.matter(ctx, q.Dispatch, time.Time{}, "")
		if err != nil {
			return err
		}
		cal := g.cals.Of(q.Dispatch.To)
		m.due = docstore.AnswerBy(cal, m.doc, q.Asked)
		m.state, m.who = stateAt(cal, g.now, m.due), q.Dispatch.Overlay.Name()
		if g.works(q.Dispatch.To) {
			for _, a := range g.units.ClerksOf(q.Dispatch.To) {
				mine := g.of(a)
				mine.answer = append(mine.answer, m)
			}
		}
		if m.state != docstore.DueOver || q.Dispatch.Overlay != docstore.OverlayRecall || !g.works(0) {
			continue
		}
		for _, a := range g.units.Accounts() {
			if g.units.HasRole(a.ID, q.Dispatch.To, directory.RoleAuditor) {
				mine := g.of(a.ID)
				mine.recalls = append(mine.recalls, m)
			}
		}
	}
	return nil
}

// overdue tells leaders what is late in their units.
func (g *gathering) overdue(ctx context.Context) error {
	list, err := docstore.DueDispatches(ctx, g.r, docstore.DueList{Before: g.now})
	if err != nil {
		return err
	}
	for _, d := range list {
		if !g.works(d.To) {
			continue
		}
		m, err := g.matter(ctx, d, d.Due, docstore.DueOver)
		if err != nil {
			return err
		}
		people, err := docstore.Assignees(ctx, g.r, d.ID)
		if err != nil {
			return err
		}
		if len(people) > 0 {
			a, _ := g.units.Account(people[0].Account)
			m.who = a.Name
		}
		for _, a := range leaders(g.units, d.To) {
			mine := g.of(a)
			mine.late = append(mine.late, m)
		}
	}
	return nil
}

// message makes the mail of the morning.
func (m *morning) message(from, to mail.Mailbox, units *directory.Snapshot, now time.Time) mail.Builder {
	var s strings.Builder
	day := now.In(vietnam).Format("02/01/2006")
	fmt.Fprintf(&s, "VIỆC CẦN LÀM NGÀY %s\n", day)
	slices.SortStableFunc(m.mine, func(a, b matter) int { return dueOrder(a).Compare(dueOrder(b)) })
	over, soon := 0, 0
	for _, x := range m.mine {
		switch x.state {
		case docstore.DueOver:
			over++
		case docstore.DueSoon:
			soon++
		}
	}
	section := func(title string, list []matter) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(&s, "\n%s (%d)\n", title, len(list))
		for i, x := range list {
			if i == digestLines {
				fmt.Fprintf(&s, "… và %d văn bản khác\n", len(list)-i)
				break
			}
			s.WriteString("- " + x.line(units) + "\n")
		}
	}
	section("Được giao cho bạn", m.mine)
	section("Chờ vào sổ", m.register)
	section("Bên gửi chờ trả lời", m.answer)
	section("Quá hạn trong đơn vị", m.late)
	section("Chưa trả lời yêu cầu thu hồi đúng hạn", m.recalls)
	if len(m.silent) > 0 {
		fmt.Fprintf(&s, "\nĐơn vị chưa vào sổ văn bản quá hạn (%d)\n", len(m.silent))
		for i, x := range m.silent {
			if i == digestLines {
				fmt.Fprintf(&s, "… và %d đơn vị khác\n", len(m.silent)-i)
				break
			}
			fmt.Fprintf(&s, "- %s: %d văn bản, cũ nhất đến lúc %s\n", x.unit, x.count, clock(x.oldest))
		}
	}
	subject := []string{}
	for _, part := range []struct {
		n    int
		text string
	}{
		{over, "quá hạn"}, {soon, "sắp đến hạn"}, {len(m.mine) - over - soon, "đang làm"}, {len(m.register), "chờ vào sổ"},
		{len(m.answer), "chờ trả lời"}, {len(m.late), "quá hạn trong đơn vị"}, {len(m.recalls), "thu hồi chưa trả lời"}, {len(m.silent), "đơn vị chưa vào sổ"},
	} {
		if part.n > 0 {
			subject = append(subject, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	return mail.Builder{
		From: from, To: []mail.Mailbox{to}, Subject: fmt.Sprintf("[Việc ngày %s] %s", day, strings.Join(subject, " · ")),
		Date: now.In(vietnam), MessageID: mail.NewMessageID(from.Addr.Domain), AutoSubmitted: autoGenerated, Language: "vi", Text: s.String(),
	}
}

// dueOrder puts what has no due time last.
func dueOrder(m matter) time.Time {
	if m.due.IsZero() {
		return time.Unix(1<<40, 0)
	}
	return m.due
}

func (m matter) line(units *directory.Snapshot) string {
	text := join(label(m.doc), m.doc.Abstract)
	if unit, ok := units.Unit(m.unit); ok {
		text += " (" + unit.ShortName + ")"
	}
	if !m.due.IsZero() {
		text += "; hạn " + m.due.In(vietnam).Format("15:04 02/01/2006") + ", " + m.state.Name()
	}
	if m.who != "" {
		text += "; " + m.who
	}
	return oneLine(text)
}

const (
	qDigests   = `SELECT account_id FROM digest WHERE day = $1`
	qSetDigest = `
INSERT INTO digest (account_id, day) VALUES ($1, $2) ON CONFLICT (account_id) DO UPDATE SET day = excluded.day`
)
