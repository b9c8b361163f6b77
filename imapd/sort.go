package imapd

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// sortCaps is the capabilities of finding, ordering and describing messages, each with the blank behind.
const sortCaps = "SORT SORT=DISPLAY ESORT THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT WITHIN OBJECTID SAVEDATE PREVIEW I18NLEVEL=1 PARTIAL MULTISEARCH SEARCH=FUZZY "

// sortField is what a sort key compares (RFC 5256, section 3; RFC 5957).
type sortField uint8

const (
	sortArrival sortField = iota
	sortDate
	sortSize
	sortRelevancy // the most relevant first, RFC 6203
	sortText      // and the number of the digest's text
)

// sortKey is one criterion of SORT.
type sortKey struct {
	field   sortField
	text    int
	reverse bool
	program *searchKey // for sortRelevancy
}

// maxSortKeys bounds the criteria; there are nine different ones.
const maxSortKeys = 20

// parseSortKeys reads the list of criteria.
func parseSortKeys(l *lexer) ([]sortKey, bool) {
	var keys []sortKey
	reverse := false
	valid := l.list(func() bool {
		word, _ := l.word()
		k := sortKey{field: sortText, reverse: reverse}
		switch word {
		case "REVERSE":
			twice := reverse
			reverse = true
			return !twice
		case "ARRIVAL":
			k.field = sortArrival
		case "DATE":
			k.field = sortDate
		case "SIZE":
			k.field = sortSize
		case "RELEVANCY":
			k.field = sortRelevancy
		case "SUBJECT":
			k.text = textSubject
		case "FROM":
			k.text = textFrom
		case "TO":
			k.text = textTo
		case "CC":
			k.text = textCc
		case "DISPLAYFROM":
			k.text = textShownFrom
		case "DISPLAYTO":
			k.text = textShownTo
		default:
			return false
		}
		reverse = false
		keys = append(keys, k)
		return len(keys) <= maxSortKeys
	})
	return keys, valid && !reverse && len(keys) > 0
}

// runSort answers SORT (RFC 5256), with RETURN as RFC 5267 has it.
func (s *session) runSort(cmd *command) result {
	l := &cmd.args
	r := searchRequest{uid: strings.HasPrefix(cmd.verb, "UID "), name: "SORT"}
	wrong := bad("Expected: SORT [RETURN (...)] (criteria) charset keys")
	if st := r.parseReturn(l); st != nil {
		return answer(*st)
	}
	keys, valid := parseSortKeys(l)
	if !valid {
		return syntax("Invalid sort criteria")
	}
	if !l.sp() {
		return answer(wrong)
	}
	if st := r.parseCharset(l, wrong); st != nil {
		return s.searchFailed(&r, *st)
	}
	if st := r.parseKeys(l, wrong); st != nil {
		return answer(*st)
	}
	for i := range keys {
		if keys[i].program = r.program; keys[i].field == sortRelevancy && !r.program.isFuzzy() {
			return syntax("RELEVANCY needs a FUZZY text")
		}
	}
	return s.search(&r, cmd.tag, func(hits []target) ([]target, error) { return s.sortBy(hits, keys) })
}

// ordered is a message with its place among the hits and the first criterion as a number: texts by their first eight octets.
type ordered struct {
	first uint64
	at    int32
}

// sortBy puts the hits into the order asked for. Messages that are equal in all of it stay in the order of the mailbox.
func (s *session) sortBy(hits []target, keys []sortKey) ([]target, error) {
	ds := make([]*digest, len(hits))
	if slices.ContainsFunc(keys, func(k sortKey) bool { return k.field == sortDate || k.field == sortText }) {
		var err error
		if ds, err = s.digests(hits); err != nil {
			return nil, err
		}
	}
	list := make([]ordered, len(hits))
	for i := range hits {
		list[i] = ordered{keys[0].number(&hits[i], ds[i]), int32(i)} //nolint:gosec // a mailbox has less than 2^31 messages
	}
	if keys[0].field != sortText && len(keys) > 1 || keys[0].field == sortText {
		slices.SortFunc(list, func(a, b ordered) int {
			if a.first != b.first {
				return cmp.Compare(a.first, b.first)
			}
			for _, k := range keys {
				if c := k.compare(&hits[a.at], &hits[b.at], ds[a.at], ds[b.at]); c != 0 {
					return c
				}
			}
			return cmp.Compare(a.at, b.at)
		})
	} else {
		slices.SortFunc(list, func(a, b ordered) int {
			if a.first != b.first {
				return cmp.Compare(a.first, b.first)
			}
			return cmp.Compare(a.at, b.at)
		})
	}
	sorted := make([]target, len(hits))
	for i := range list {
		sorted[i] = hits[list[i].at]
	}
	return sorted, nil
}

// sentOf gives when a message was sent, or when it arrived if it does not say (RFC 5256, section 2.2).
func sentOf(t *target, d *digest) int64 {
	if d.sent == noDate {
		return t.row.Date().UnixMicro()
	}
	return d.sent
}

func (k sortKey) value(t *target, d *digest) int64 {
	switch k.field {
	case sortDate:
		return sentOf(t, d)
	case sortSize:
		return t.row.Size
	case sortRelevancy:
		return -int64(k.program.relevance(t.row.Message))
	}
	return t.row.Date().UnixMicro()
}

// number gives what the criterion compares as a number that never contradicts compare; for a text it may leave the order open.
func (k sortKey) number(t *target, d *digest) uint64 {
	var n uint64
	if k.field == sortText {
		var head [8]byte
		copy(head[:], d.at(k.text))
		n = binary.BigEndian.Uint64(head[:])
	} else {
		n = uint64(k.value(t, d)) ^ 1<<63 //nolint:gosec // keeps the order of signed numbers
	}
	if k.reverse {
		return ^n
	}
	return n
}

func (k sortKey) compare(a, b *target, da, db *digest) int {
	var c int
	if k.field == sortText {
		c = cmp.Compare(da.at(k.text), db.at(k.text))
	} else {
		c = cmp.Compare(k.value(a, da), k.value(b, db))
	}
	if k.reverse {
		return -c
	}
	return c
}
