package imapd

import (
	"slices"
	"strings"

	"vanthu/internal/mailstore"
)

// searchRequest is a parsed SEARCH.
type searchRequest struct {
	uid                        bool
	extended                   bool // RETURN was given
	min, max, all, count, save bool
	program                    *searchKey
}

// runSearch answers SEARCH (RFC 9051, section 6.4.4; RFC 4731, 5182).
func (s *session) runSearch(cmd *command) result {
	r := searchRequest{uid: strings.HasPrefix(cmd.verb, "UID ")}
	if st := r.parse(&cmd.args); st != nil {
		return s.searchFailed(&r, *st)
	}
	if !s.prepare(r.program) {
		return syntax("No such message")
	}
	hits, err := s.find(r.program)
	if err != nil {
		return s.searchFailed(&r, s.failure(err, doingOther))
	}
	if r.save {
		s.box.result = r.saved(hits)
	}
	if err := s.out(r.append(nil, cmd.tag, hits, s.rev2)); err != nil {
		return s.lost(err)
	}
	return answer(ok("SEARCH completed"))
}

// searchFailed answers; NO, but not BAD, empties "$" when the search should have set it (RFC 5182, section 2.1).
func (s *session) searchFailed(r *searchRequest, st status) result {
	if r.save && st.typ == "NO" {
		s.box.result = nil
	}
	return answer(st)
}

func (r *searchRequest) parse(l *lexer) *status {
	wrong := bad("Expected: SEARCH [RETURN (...)] [CHARSET name] keys")
	if !l.sp() {
		return &wrong
	}
	if l.keyword("RETURN") {
		r.extended = true
		if !l.sp() || !l.list(func() bool { return r.option(l) }) || !l.sp() {
			invalid := bad("Unknown SEARCH return option")
			return &invalid
		}
	}
	if !r.min && !r.max && !r.count && !r.save {
		r.all = true
	}
	if l.keyword("CHARSET") {
		var name string
		valid := l.sp()
		if valid {
			name, valid = l.astring()
		}
		if !valid || !l.sp() {
			return &wrong
		}
		if !strings.EqualFold(name, "UTF-8") && !strings.EqualFold(name, "US-ASCII") {
			refused := no("BADCHARSET (US-ASCII UTF-8)", "Charset not supported")
			return &refused
		}
	}
	p := searchParser{l: l}
	program, valid := p.program(false)
	if !valid {
		if p.why != "" {
			wrong = bad(p.why)
		}
		return &wrong
	}
	r.program = program
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
	default:
		return false
	}
	return true
}

// saved is what "$" stands for afterwards: with MIN or MAX alone only those (RFC 5182, section 2.4).
func (r *searchRequest) saved(hits []target) mailstore.UIDSet {
	if len(hits) == 0 {
		return nil
	}
	if (r.min || r.max) && !r.all && !r.count {
		var ends []mailstore.UID
		if r.min {
			ends = append(ends, hits[0].row.UID)
		}
		if r.max {
			ends = append(ends, hits[len(hits)-1].row.UID)
		}
		return mailstore.UIDs(ends...)
	}
	uids := make([]mailstore.UID, len(hits))
	for i := range hits {
		uids[i] = hits[i].row.UID
	}
	return mailstore.UIDs(uids...)
}

func (r *searchRequest) number(t target) uint32 {
	if r.uid {
		return uint32(t.row.UID)
	}
	return uint32(t.seq)
}

// append writes the SEARCH or ESEARCH line. RETURN (SAVE) alone asks for none.
func (r *searchRequest) append(dst []byte, tag string, hits []target, rev2 bool) []byte {
	if !r.extended && !rev2 {
		dst = append(dst, "* SEARCH"...)
		for _, t := range hits {
			dst = appendUint(append(dst, ' '), r.number(t))
		}
		return append(dst, "\r\n"...)
	}
	if !r.min && !r.max && !r.all && !r.count {
		return dst
	}
	dst = appendQuoted(append(dst, "* ESEARCH (TAG "...), tag)
	dst = append(dst, ')')
	if r.uid {
		dst = append(dst, " UID"...)
	}
	if len(hits) > 0 {
		if r.min {
			dst = appendUint(append(dst, " MIN "...), r.number(hits[0]))
		}
		if r.max {
			dst = appendUint(append(dst, " MAX "...), r.number(hits[len(hits)-1]))
		}
		if r.all {
			var rs []numRange
			for _, t := range hits {
				rs = addNumber(rs, r.number(t))
			}
			dst = appendRanges(append(dst, " ALL "...), rs)
		}
	}
	if r.count {
		dst = appendUint(append(dst, " COUNT "...), len(hits))
	}
	return append(dst, "\r\n"...)
}

// prepare resolves sets and keywords of a program against the client's view.
func (s *session) prepare(k *searchKey) bool {
	switch k.op {
	case opSeq:
		if s.box.invalid(k.set, false) {
			return false
		}
		k.ranges = s.box.ranges(k.set, false)
	case opUID:
		if k.set.saved {
			for _, r := range s.box.result {
				k.ranges = append(k.ranges, numRange{uint32(r.First), uint32(r.Last)})
			}
			break
		}
		k.ranges = s.box.ranges(k.set, true)
	case opFlag:
		if k.word != "" {
			k.flag = bitsOf(mailstore.Flags{Keywords: []string{k.word}}, s.box.known.Keywords)
		}
	}
	return !slices.ContainsFunc(k.kids, func(kid *searchKey) bool { return !s.prepare(kid) })
}
