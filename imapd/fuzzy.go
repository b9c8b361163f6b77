package imapd

import (
	"errors"

	"vanthu/internal/mailstore"
)

// fuzzy reads the key behind FUZZY (RFC 6203): for texts in it, words at the beginning of words will do, in any order. Other keys are
// exact all the same.
func (p *searchParser) fuzzy() (*searchKey, bool) {
	if !p.l.sp() {
		return p.fail("")
	}
	k, ok := p.key()
	if !ok {
		return nil, false
	}
	for _, text := range k.keys(nil, searchOp.asksText) {
		text.fuzzy = text.text != ""
	}
	return k, true
}

// isFuzzy tells whether there is something to rank messages by.
func (k *searchKey) isFuzzy() bool {
	for _, text := range k.keys(nil, searchOp.asksText) {
		if text.fuzzy {
			return true
		}
	}
	return false
}

// searchFuzzy has the store find and rank the messages for a fuzzy key.
func (s *session) searchFuzzy(k *searchKey, ids []mailstore.MessageID, q mailstore.TextQuery) error {
	found, err := s.srv.be.Store.SearchFuzzy(s.ctx, ids, q)
	if err != nil && !errors.Is(err, mailstore.ErrDamaged) {
		return err
	}
	k.scores = make(map[mailstore.MessageID]int, len(found))
	for _, r := range found {
		k.scores[r.Message] = r.Score
	}
	k.hits = make([]bool, len(ids))
	for i, id := range ids {
		k.hits[i] = k.scores[id] > 0
	}
	return err
}

// relevance gives how well a hit fits: the mean of the scores of the fuzzy keys that found it, 1 to 100.
func (k *searchKey) relevance(id mailstore.MessageID) int {
	sum, n := 0, 0
	for _, text := range k.keys(nil, searchOp.asksText) {
		if score := text.scores[id]; score > 0 {
			sum += score
			n++
		}
	}
	if n == 0 {
		return 1 // found by another key
	}
	return sum / n
}

// appendScores writes the relevance of the hits returned, in their order.
func (r *searchRequest) appendScores(dst []byte, hits []target) []byte {
	if r.partial != nil {
		hits = r.partial.cut(hits)
	}
	if len(hits) == 0 {
		return dst
	}
	dst = append(dst, " RELEVANCY ("...)
	for i, t := range hits {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendUint(dst, r.program.relevance(t.row.Message))
	}
	return append(dst, ')')
}
