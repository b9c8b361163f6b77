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
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Replied does within tx what a message asks for by its first lines (edoc.md
// §4.5), or by the tag that wants a document back, and writes its author an
// answer that says what was done and what was not, and why. A message that asks
// for nothing, or not for something of a unit of its author's, is left alone. A
// line that is refused is no error.
func (w *Workflow) Replied(ctx context.Context, tx *sqldb.Tx, m docstore.Replied) error {
	by, err := w.deed(m.By, docstore.SourceSMTP)
	if err != nil {
		return nil //nolint:nilerr // who may not act writes ordinary mail
	}
	if m.Recalls {
		return by.recallByMail(ctx, tx, m)
	}
	if m, err = by.voteByMail(ctx, tx, m); err != nil {
		return err
	}
	if len(m.Reply.Commands) == 0 || m.Document {
		return nil
	}
	d, err := by.meant(ctx, tx, m)
	if errors.Is(err, docstore.ErrNoDispatch) {
		return nil
	}
	if err != nil {
		return err
	}
	after, done := d, []outcome{failed(m)}
	if m.Failed == nil {
		if after, done, err = by.obey(ctx, tx, d, m); err != nil {
			return err
		}
	}
	return by.answerReply(ctx, tx, m, after, done)
}

// threadMark is how the Message-ID of our messages about a dispatch begins, so
// that a reply to them is known by its thread.
const threadMark = "<vb."

func threadID(id docstore.ULID, domain string) string {
	return threadMark + string(id) + "." + strings.TrimPrefix(mail.NewMessageID(domain), "<")
}

// dispatchIn gives the dispatch that one of our messages is about.
func dispatchIn(id docstore.MailID) (docstore.ULID, bool) {
	rest, ours := strings.CutPrefix(string(id), threadMark)
	name, _, whole := strings.Cut(rest, ".")
	return docstore.ULID(strings.ToUpper(name)), ours && whole
}

// meant finds the dispatch that a reply is about: to a unit of its author's, to
// which it is addressed unless it is addressed to the server.
func (b *deed) meant(ctx context.Context, r sqldb.Reader, m docstore.Replied) (docstore.Dispatch, error) {
	mine := func(d docstore.Dispatch) bool {
		return d.To != 0 && slices.Contains(b.units.AccountsOf(d.To), b.actor.ID) && (m.ToServer || slices.Contains(m.Units, d.To))
	}
	for _, id := range m.Answers {
		var list []docstore.Dispatch
		if name, ok := dispatchIn(id); ok {
			d, err := docstore.DispatchByULID(ctx, r, name)
			if err == nil {
				list = append(list, d)
			} else if !errors.Is(err, docstore.ErrNoDispatch) {
				return d, err
			}
		}
		docs, err := docstore.DocumentsByMail(ctx, r, id)
		if err != nil {
			return docstore.Dispatch{}, err
		}
		for _, doc := range slices.Backward(docs) {
			all, err := docstore.Dispatches(ctx, r, doc.ID)
			if err != nil {
				return docstore.Dispatch{}, err
			}
			list = append(list, all...)
		}
		for _, d := range list {
			if mine(d) {
				return d, nil
			}
		}
	}
	return docstore.Dispatch{}, docstore.ErrNoDispatch
}

// outcome is what became of some lines of a reply.
type outcome struct {
	lines []string
	err   error // why not; nil when done
}

// failed is what is told of a reply of which nothing could be done.
func failed(m docstore.Replied) (o outcome) {
	o.err = m.Failed
	for _, c := range m.Reply.Commands {
		o.lines = append(o.lines, c.Line)
	}
	return o
}

// step is an act that one line, or several about people, stand for.
type step struct {
	lines []string
	act   func(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch) (Act, error)
}

var errBefore = fault.New(fault.Conflict, fault.Text{
	EN: "not done because a line before it was not", VI: "chưa làm vì dòng trước không thực hiện được",
})

// obey carries the lines of a reply out, one after another; behind the first
// that is refused nothing more is done. A name that is nobody's, or several
// people's, stops all of them.
func (b *deed) obey(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch, m docstore.Replied) (docstore.Dispatch, []outcome, error) {
	steps, err := b.steps(d, m.Reply)
	if err != nil {
		m.Failed = err
		return d, []outcome{failed(m)}, nil
	}
	var done []outcome
	var refused error
	for _, s := range steps {
		if refused != nil {
			done = append(done, outcome{s.lines, errBefore})
			continue
		}
		act, err := s.act(ctx, tx, d)
		if err == nil {
			act.Note = shorten(act.Note)
			var after docstore.Dispatch
			if after, err = b.perform(ctx, tx, d, act); err == nil {
				d = after
			}
		}
		if err != nil && !isRefusal(err) {
			return d, nil, err
		}
		refused = err
		done = append(done, outcome{s.lines, err})
	}
	return d, done, nil
}

// shorten keeps what fits into the note of an act; the message has it all.
func shorten(note string) string {
	if letters := []rune(note); len(letters) > docstore.MaxNote {
		return string(letters[:docstore.MaxNote-1]) + "…"
	}
	return note
}

// steps turns lines into acts. Those that name people, and the due time, are
// one act together, at the place of the first of them.
func (b *deed) steps(d docstore.Dispatch, reply edoc.Reply) ([]step, error) {
	var list []step
	var people []docstore.Assignee
	var due time.Time
	at := -1
	for _, c := range reply.Commands {
		switch c.Verb {
		case edoc.VerbAssign, edoc.VerbDue:
			if c.Verb == edoc.VerbDue {
				if due = c.Due; due.IsZero() {
					return nil, errNoDay(c)
				}
			} else {
				who, err := b.named(d.To, c.Who)
				if err != nil {
					return nil, err
				}
				people = append(people, docstore.Assignee{Account: who, Role: docstore.AssigneeRole(c.Part)})
			}
			if at < 0 {
				at = len(list)
				list = append(list, step{})
			}
			list[at].lines = append(list[at].lines, c.Line)
		case edoc.VerbExtend:
			if c.Due.IsZero() {
				return nil, errNoDay(c)
			}
			list = append(list, plainStep(c, Act{Event: docstore.EventExtend, Due: c.Due, Note: orElse(c.Text, reply.Rest)}))
		case edoc.VerbAgree, edoc.VerbDisagree, edoc.VerbOther:
			list = append(list, opinion(c, reply.Rest))
		default:
			list = append(list, plainStep(c, actFor(c, reply.Rest)))
		}
	}
	if at >= 0 {
		list[at].act = assignment(people, due, reply.Rest)
	}
	return list, nil
}

func plainStep(c edoc.Command, act Act) step {
	return step{[]string{c.Line}, func(context.Context, *sqldb.Tx, docstore.Dispatch) (Act, error) { return act, nil }}
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}

// actFor gives the act of a line that is one by itself. What the register shows
// is written in the line alone.
func actFor(c edoc.Command, rest string) Act {
	switch c.Verb {
	case edoc.VerbRegister:
		return Act{Event: docstore.EventRegister, Note: c.Text}
	case edoc.VerbStart:
		return Act{Event: docstore.EventStart, Note: orElse(c.Text, rest)}
	case edoc.VerbComplete:
		return Act{Event: docstore.EventComplete, Note: orElse(c.Text, rest)}
	case edoc.VerbReturn:
		return Act{Event: docstore.EventReturn, Note: orElse(c.Text, rest)}
	case edoc.VerbReopen:
		return Act{Event: docstore.EventReopen, Note: orElse(c.Text, rest)}
	}
	reason, note := edoc.ReasonOther, orElse(c.Text, rest)
	for _, r := range edoc.RefuseReasons() {
		if f := edoc.Fold(r.Folder()); r != edoc.ReasonOther && f != "" && strings.HasPrefix(edoc.Fold(note), f) {
			reason = r
		}
	}
	return Act{Event: docstore.EventRefuse, Reason: reason, Note: note}
}

// opinion is the answer to what the sender of the document asks.
func opinion(c edoc.Command, rest string) step {
	return step{[]string{c.Line}, func(_ context.Context, _ *sqldb.Tx, d docstore.Dispatch) (Act, error) {
		switch {
		case d.Overlay == docstore.OverlayNone || c.Verb == edoc.VerbOther:
			return Act{}, fault.New(fault.Conflict, fault.Text{
				EN: "the sender has not asked for anything that could be answered so", VI: "bên gửi không có đề nghị nào đang chờ trả lời như vậy",
			})
		case c.Verb == edoc.VerbAgree:
			return Act{Event: docstore.EventAccept, Note: orElse(c.Text, rest)}, nil
		}
		return Act{Event: docstore.EventDecline, Note: orElse(c.Text, rest)}, nil
	}}
}

// assignment is the act of the lines about people and the due time. Who is
// named beside nobody in charge joins those who work on the document already.
func assignment(people []docstore.Assignee, due time.Time, note string) func(context.Context, *sqldb.Tx, docstore.Dispatch) (Act, error) {
	return func(ctx context.Context, tx *sqldb.Tx, d docstore.Dispatch) (Act, error) {
		if len(people) == 0 {
			return Act{Event: docstore.EventExtend, Due: due, Note: note}, nil
		}
		act := Act{Event: docstore.EventAssign, Assign: people, Due: due, Note: note}
		if d.State != docstore.StateAssigned {
			return act, nil
		}
		act.Event = docstore.EventReassign
		if slices.ContainsFunc(people, func(a docstore.Assignee) bool { return a.Role == docstore.RoleLead }) {
			return act, nil
		}
		have, err := docstore.Assignees(ctx, tx, d.ID)
		for _, a := range have {
			if !slices.ContainsFunc(people, func(b docstore.Assignee) bool { return a.Account == b.Account }) {
				act.Assign = append([]docstore.Assignee{a}, act.Assign...)
			}
		}
		return act, err
	}
}

func errNoDay(c edoc.Command) error {
	return fault.New(fault.Invalid, fault.Text{
		EN: "there is no such day: " + c.Line, VI: "không có ngày này: " + c.Line,
	})
}

// named finds the person of a unit whom a line names.
func (b *deed) named(unit directory.UnitID, words string) (directory.AccountID, error) {
	var ids []directory.AccountID
	var list []edoc.Named
	for _, m := range b.units.MembersOf(unit) {
		a, ok := b.units.Account(m.Account)
		if !ok || a.State != directory.Active || slices.Contains(ids, a.ID) {
			continue
		}
		n := edoc.Named{Name: a.Name, Login: a.Login.String()}
		for _, r := range a.Roles { // a section is named for who leads it
			if u, ok := b.units.Unit(r.Unit); ok && u.Parent == unit && r.Role == directory.RoleLeader {
				n.Also = append(n.Also, u.Name, u.ShortName)
			}
		}
		ids, list = append(ids, a.ID), append(list, n)
	}
	found := edoc.FindNamed(words, list)
	switch len(found) {
	case 1:
		return ids[found[0]], nil
	case 0:
		return 0, fault.New(fault.NotFound, fault.Text{
			EN: fmt.Sprintf("nobody in %s is called “%s”; nothing was done", b.unitName(unit), words),
			VI: fmt.Sprintf("%s không có ai tên “%s”; chưa thực hiện dòng nào", b.unitName(unit), words),
		})
	}
	var names []string
	for _, i := range found {
		names = append(names, list[i].Name+" (@"+list[i].Login+")")
	}
	candidates := strings.Join(names, ", ")
	return 0, fault.New(fault.Conflict, fault.Text{
		EN: fmt.Sprintf("“%s” may be: %s; nothing was done, write one of these logins", words, candidates),
		VI: fmt.Sprintf("“%s” có thể là: %s; chưa thực hiện dòng nào, hãy ghi rõ một trong các tên đăng nhập này", words, candidates),
	})
}

// answerReply tells the author of a reply what became of it.
func (b *deed) answerReply(ctx context.Context, tx *sqldb.Tx, m docstore.Replied, d docstore.Dispatch, done []outcome) error {
	doc, err := docstore.DocumentByID(ctx, tx, d.Document)
	if err != nil {
		return err
	}
	people, err := docstore.Assignees(ctx, tx, d.ID)
	if err != nil {
		return err
	}
	good, all := 0, 0
	for _, o := range done {
		all += len(o.lines)
		if o.err == nil {
			good += len(o.lines)
		}
	}
	var s strings.Builder
	s.WriteString("KẾT QUẢ THỰC HIỆN YÊU CẦU TRONG THƯ\n\n")
	fact(&s, "Văn bản", join(join(doc.Type.Name, label(doc)), doc.Abstract))
	fact(&s, "Bên nhận", unitName(b.units, d))
	if d.ArrivalNumber != 0 {
		fact(&s, "Số đến", fmt.Sprintf("%d/%d", d.ArrivalNumber, d.ArrivalYear))
	}
	fact(&s, "Trạng thái", d.State.Name())
	for _, p := range people {
		a, _ := b.units.Account(p.Account)
		fact(&s, partName(p.Role), a.Name)
	}
	if !d.Due.IsZero() {
		fact(&s, "Hạn", clock(d.Due)+" (+07:00)")
	}
	writeOutcomes(&s, done)
	if m.Reply.Rest != "" && good > 0 {
		fact(&s, "\nÝ kiến", shorten(m.Reply.Rest))
	}
	subject := fmt.Sprintf("[Kết quả %s] đã thực hiện %d/%d dòng", label(doc), good, all)
	return b.tell(ctx, tx, m, reply{subject, s.String(), doc, d.ULID})
}

// writeOutcomes lists what was done and what not, in Vietnamese, then shortly in English.
func writeOutcomes(s *strings.Builder, done []outcome) {
	s.WriteString("\n")
	for _, o := range done {
		for _, l := range o.lines {
			if o.err == nil {
				s.WriteString("[Đã làm]     " + l + "\n")
			} else {
				s.WriteString("[Chưa làm]   " + l + "\n")
			}
		}
		if o.err != nil {
			s.WriteString("             " + fault.Sentence(o.err).VI + "\n")
		}
	}
	s.WriteString("\nIn English:\n")
	for _, o := range done {
		what := "done"
		if o.err != nil {
			what = "not done: " + fault.Sentence(o.err).EN
		}
		s.WriteString("  " + strings.Join(o.lines, " / ") + " - " + what + "\n")
	}
}

func partName(r docstore.AssigneeRole) string {
	switch r {
	case docstore.RoleAssist:
		return "Phối hợp"
	case docstore.RoleNotice:
		return "Để biết"
	case docstore.RoleLead:
	}
	return "Chủ trì"
}

// reply is an answer of ours to a message that asks for something.
type reply struct {
	subject, text string
	doc           docstore.Document // zero: none
	dispatch      docstore.ULID
}

// tell puts an answer into the INBOX of whose message it answers. One that has
// no room for it does not undo what was done.
func (b *deed) tell(ctx context.Context, tx *sqldb.Tx, m docstore.Replied, r reply) error {
	inbox, err := b.w.boxes.Inbox(ctx, tx, mailstore.Owner{Account: b.actor.ID})
	if errors.Is(err, mailstore.ErrNoMailbox) {
		return nil
	}
	if err != nil {
		return err
	}
	to := mail.Mailbox{Name: b.actor.Name, Addr: b.actor.Login}
	msg := mail.Builder{
		From: b.w.author(to.Addr), To: []mail.Mailbox{to}, Subject: oneLine(r.subject), Date: b.w.opt.Now().In(vietnam),
		MessageID: mail.NewMessageID(to.Addr.Domain), AutoSubmitted: "auto-replied", Language: "vi", Text: r.text,
		InReplyTo: string(m.MailID),
	}
	if r.doc.MailID != "" {
		msg.References = append(msg.References, string(r.doc.MailID))
	}
	if m.MailID != "" {
		msg.References = append(msg.References, string(m.MailID))
	}
	if r.dispatch != "" {
		msg.MessageID = threadID(r.dispatch, to.Addr.Domain)
		msg.Extra = []mail.ExtraField{{Name: "X-VB-Dispatch", Value: string(r.dispatch)}}
	}
	_, err = b.w.write(ctx, tx, inbox, msg, b.w.opt.Now())
	if errors.Is(err, mailstore.ErrOverQuota) {
		b.w.opt.Log.WarnContext(ctx, "an answer was not delivered", "account", int64(b.actor.ID), "err", err)
		return nil
	}
	return err
}

// recallByMail asks for a document back by mail: the newest one with that number
// and symbol which a unit of the author's has issued. Units that the mail is
// addressed to give it back; when none of them has it, all do.
func (b *deed) recallByMail(ctx context.Context, tx *sqldb.Tx, m docstore.Replied) error {
	line := "[THU HỒI] " + m.Reason
	if m.Code != nil {
		line = "[THU HỒI " + m.Code.String() + "] " + m.Reason
	}
	doc, err := b.mineToRecall(ctx, tx, m)
	var done []docstore.Dispatch
	if err == nil && m.Failed != nil {
		err = m.Failed
	} else if err == nil {
		var only []directory.UnitID
		all, lerr := docstore.Dispatches(ctx, tx, doc.ID)
		if lerr != nil {
			return lerr
		}
		for _, d := range all {
			if d.To != 0 && slices.Contains(m.Units, d.To) {
				only = append(only, d.To)
			}
		}
		done, err = b.recall(ctx, tx, doc.ID, Recall{Reason: shorten(m.Reason), Units: only})
	}
	if err != nil && m.Failed == nil && !isRefusal(err) {
		return err
	}
	var s strings.Builder
	s.WriteString("KẾT QUẢ YÊU CẦU THU HỒI VĂN BẢN\n\n")
	if doc.ID != 0 {
		fact(&s, "Văn bản", join(join(doc.Type.Name, label(doc)), doc.Abstract))
	}
	for _, d := range done {
		state := d.State.Name()
		if d.Overlay != docstore.OverlayNone {
			state += ", " + d.Overlay.Name()
		}
		fact(&s, unitName(b.units, d), state)
	}
	writeOutcomes(&s, []outcome{{[]string{oneLine(line)}, err}})
	subject := fmt.Sprintf("[Kết quả thu hồi] %d đơn vị", len(done))
	if doc.ID != 0 {
		subject = fmt.Sprintf("[Kết quả thu hồi %s] %d đơn vị", label(doc), len(done))
	}
	return b.tell(ctx, tx, m, reply{subject: subject, text: s.String(), doc: doc})
}

// mineToRecall finds the document that the author of a mail wants back.
func (b *deed) mineToRecall(ctx context.Context, r sqldb.Reader, m docstore.Replied) (docstore.Document, error) {
	var known []docstore.Document
	if m.Code != nil {
		var err error
		if known, err = docstore.DocumentsByCode(ctx, r, *m.Code); err != nil {
			return docstore.Document{}, err
		}
	} else {
		for _, id := range m.Answers {
			docs, err := docstore.DocumentsByMail(ctx, r, id)
			if err != nil {
				return docstore.Document{}, err
			}
			known = append(docs, known...) // the nearest comes last
		}
	}
	others := false
	for _, doc := range slices.Backward(known) {
		if doc.Issuer != 0 && b.units.HasRole(b.actor.ID, doc.Issuer, directory.RoleClerk) {
			return doc, nil
		}
		others = true
	}
	if others {
		return docstore.Document{}, fault.New(fault.Denied, fault.Text{
			EN: "only a clerk of the unit that issued the document may recall it", VI: "chỉ văn thư của đơn vị ban hành được thu hồi văn bản",
		})
	}
	return docstore.Document{}, fault.New(fault.NotFound, fault.Text{
		EN: "your unit has issued no such document: write its number and symbol, as in [THU HỒI 123/QĐ-UBND]",
		VI: "không thấy văn bản này của đơn vị: hãy ghi đúng số, ký hiệu, ví dụ [THU HỒI 123/QĐ-UBND]",
	})
}
