package imapd

import (
	"slices"
	"strings"
	"time"

	"vanthu/internal/mailstore"
)

// searchRequest is a parsed SEARCH or SORT.
type searchRequest struct {
	name                       string // of the response without RETURN: SEARCH, SORT
	uid                        bool
	extended                   bool // RETURN was given
	min, max, all, count, save bool
	relevancy                  bool // RETURN (RELEVANCY), RFC 6203
	partial                    *window
	modseq                     bool // there is a MODSEQ key, RFC 7162
	program                    *searchKey
}

// runSearch answers SEARCH (RFC 9051, section 6.4.4; RFC 4731, 5182, 9394).
func (s *session) runSearch(cmd *command) result {
	r := searchRequest{uid: strings.HasPrefix(cmd.verb, "UID "), name: "SEARCH"}
	if st := r.parse(&cmd.args); st != nil {
		return s.searchFailed(&r, *st)
	}
	r.extended = r.extended || s.rev2
	return s.search(&r, cmd.tag, nil)
}

// search finds the messages, has them put into order, and answers.
func (s *session) search(r *searchRequest, tag string, order func([]target) ([]target, error)) result {
	if !s.prepare(s.box, r.program) {
		return syntax("No such message")
	}
	if r.modseq {
		s.raise(syncCondStore)
	}
	stop := s.working()
	hits, err := s.find(s.box, r.program)
	if err == nil && order != nil {
		hits, err = order(hits)
	}
	stop()
	if err != nil {
		return s.searchFailed(r, s.failure(err, doingOther))
	}
	if r.save {
		s.box.result = r.saved(hits)
	}
	if err := s.out(r.append(nil, tag, hits)); err != nil {
		return s.lost(err)
	}
	return answer(ok(r.name + " completed"))
}

// searchFailed answers; NO, but not BAD, empties "$" when the search should have set it (RFC 5182, section 2.1).
func (s *session) searchFailed(r *searchRequest, st status) result {
	if r.save && st.typ == "NO" && s.box != nil {
		s.box.result = nil
	}
	return answer(st)
}

func (r *searchRequest) parse(l *lexer) *status {
	wrong := bad("Expected: SEARCH [RETURN (...)] [CHARSET name] keys")
	if st := r.parseReturn(l); st != nil {
		return st
	}
	if l.keyword("CHARSET") {
		if !l.sp() {
			return &wrong
		}
		if st := r.parseCharset(l, wrong); st != nil {
			return st
		}
	}
	return r.parseKeys(l, wrong)
}

// parseReturn reads the blank behind the verb, and RETURN with its options when it is there.
func (r *searchRequest) parseReturn(l *lexer) *status {
	invalid := bad("Unknown or contradictory return option")
	if !l.sp() {
		return &invalid
	}
	if l.keyword("RETURN") {
		r.extended = true
		if !l.sp() || !l.list(func() bool { return r.option(l) }) || !l.sp() || r.all && r.partial != nil {
			return &invalid
		}
	}
	if !r.min && !r.max && !r.count && !r.save && r.partial == nil {
		r.all = true
	}
	return nil
}

// parseCharset reads the name of a charset and the blank behind.
func (r *searchRequest) parseCharset(l *lexer, wrong status) *status {
	name, valid := l.astring()
	if !valid || !l.sp() {
		return &wrong
	}
	if !strings.EqualFold(name, "UTF-8") && !strings.EqualFold(name, "US-ASCII") {
		refused := no("BADCHARSET (US-ASCII UTF-8)", "Charset not supported")
		return &refused
	}
	return nil
}

// parseKeys reads the search keys up to the end.
func (r *searchRequest) parseKeys(l *lexer, wrong status) *status {
	p := searchParser{l: l}
	program, valid := p.program(false)
	if !valid {
		if p.why != "" {
			wrong = bad(p.why)
		}
		return &wrong
	}
	r.program, r.modseq = program, p.mods
	if r.relevancy && !program.isFuzzy() {
		wrong = bad("RELEVANCY needs a FUZZY text")
		return &wrong
	}
	return nil
}

func (r *searchRequest) option(l *lexer) bool {
	word, _ := l.word()
	switch word {
	case "MIN":
		r.min = true
	case "MAX":
		r.max = true
	case "ALL":
		r.all = true
	case "COUNT":
		r.count = true
	case "SAVE":
		r.save = true
	case "RELEVANCY":
		r.relevancy = true
	case "PARTIAL":
		w, valid := parseWindow(l)
		if !valid || r.partial != nil {
			return false
		}
		r.partial = &w
	default:
		return false
	}
	return true
}

// saved is what "$" stands for afterwards: with MIN, MAX or PARTIAL, and neither ALL nor COUNT, only those (RFC 5182, section 2.4;
// RFC 9394, section 3.3).
func (r *searchRequest) saved(hits []target) mailstore.UIDSet {
	part := hits
	if (r.min || r.max || r.partial != nil) && !r.all && !r.count && len(hits) > 0 {
		part = nil
		if r.partial != nil {
			part = slices.Clone(r.partial.cut(hits))
		}
		if r.min {
			part = append(part, hits[0])
		}
		if r.max {
			part = append(part, hits[len(hits)-1])
		}
	}
	uids := make([]mailstore.UID, len(part))
	for i := range part {
		uids[i] = part[i].row.UID
	}
	return mailstore.UIDs(uids...)
}

// returns tells whether anything is to be told.
func (r *searchRequest) returns() bool { return r.min || r.max || r.all || r.count || r.partial != nil }

func (r *searchRequest) number(t target) uint32 {
	if r.uid {
		return uint32(t.row.UID)
	}
	return uint32(t.seq)
}

// highest gives the mod-sequence that goes with an answer: that of the messages named by MIN and MAX alone, else the highest of all hits
// (RFC 7162, section 3.1.6; RFC 4731, section 3.2).
func (r *searchRequest) highest(hits []target) (m mailstore.ModSeq) {
	if (r.min || r.max) && !r.all && !r.count && r.partial == nil {
		if r.min {
			m = hits[0].row.ModSeq
		}
		if r.max {
			m = max(m, hits[len(hits)-1].row.ModSeq)
		}
		return m
	}
	for i := range hits {
		m = max(m, hits[i].row.ModSeq)
	}
	return m
}

// append writes the SEARCH, SORT or ESEARCH line. RETURN (SAVE) alone asks for none. MIN and MAX are the first and the last of the
// order asked for (RFC 5267, section 3).
func (r *searchRequest) append(dst []byte, tag string, hits []target) []byte {
	if !r.extended {
		dst = append(append(dst, "* "...), r.name...)
		for _, t := range hits {
			dst = appendUint(append(dst, ' '), r.number(t))
		}
		if r.modseq && len(hits) > 0 {
			dst = append(appendUint(append(dst, " (MODSEQ "...), r.highest(hits)), ')')
		}
		return append(dst, "\r\n"...)
	}
	if !r.returns() {
		return dst
	}
	dst = appendQuoted(append(dst, "* ESEARCH (TAG "...), tag)
	dst = append(dst, ')')
	if r.uid {
		dst = append(dst, " UID"...)
	}
	return append(r.appendData(dst, hits), "\r\n"...)
}

// appendData writes what ESEARCH returns.
func (r *searchRequest) appendData(dst []byte, hits []target) []byte {
	if len(hits) > 0 {
		if r.min {
			dst = appendUint(append(dst, " MIN "...), r.number(hits[0]))
		}
		if r.max {
			dst = appendUint(append(dst, " MAX "...), r.number(hits[len(hits)-1]))
		}
		if r.all {
			dst = r.appendNumbers(append(dst, " ALL "...), hits)
		}
	}
	if r.count {
		dst = appendUint(append(dst, " COUNT "...), len(hits))
	}
	if r.partial != nil {
		dst = append(r.partial.append(append(dst, " PARTIAL ("...)), ' ')
		if part := r.partial.cut(hits); len(part) > 0 {
			dst = r.appendNumbers(dst, part)
		} else {
			dst = append(dst, "NIL"...)
		}
		dst = append(dst, ')')
	}
	if r.relevancy {
		dst = r.appendScores(dst, hits)
	}
	if r.modseq && len(hits) > 0 {
		dst = appendUint(append(dst, " MODSEQ "...), r.highest(hits))
	}
	return dst
}

// appendNumbers writes the numbers of hits as a set in their order.
func (r *searchRequest) appendNumbers(dst []byte, hits []target) []byte {
	var rs []numRange
	for _, t := range hits {
		n := r.number(t)
		if k := len(rs); k > 0 && n == rs[k-1].hi+1 {
			rs[k-1].hi = n
			continue
		}
		rs = append(rs, numRange{n, n})
	}
	return appendRanges(dst, rs)
}

// prepare resolves sets and keywords of a program against the client's view.
func (s *session) prepare(b *box, k *searchKey) bool {
	switch k.op {
	case opSeq:
		if b.invalid(k.set, false) {
			return false
		}
		k.ranges = b.ranges(k.set, false)
	case opUID:
		if k.set.saved {
			for _, r := range b.result {
				k.ranges = append(k.ranges, numRange{uint32(r.First), uint32(r.Last)})
			}
			break
		}
		k.ranges = b.ranges(k.set, true)
	case opFlag:
		if k.word != "" {
			k.flag = bitsOf(mailstore.Flags{Keywords: []string{k.word}}, b.known.Keywords)
		}
	case opOlder, opYounger:
		k.at = s.srv.opt.Now().Add(-time.Duration(k.n) * time.Second)
	}
	return !slices.ContainsFunc(k.kids, func(kid *searchKey) bool { return !s.prepare(b, kid) })
}
