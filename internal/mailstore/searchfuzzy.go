package mailstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"

	"vanthu/internal/mail"
)

// Ranked is a message found by [Store.SearchFuzzy].
type Ranked struct {
	Message MessageID
	Score   int // 1 to 100, the higher the better; RFC 6203, section 4
}

// What a score is made of.
const (
	scoreWords   = 30 // all words are there
	scorePhrase  = 40 // … one right after another
	scoreSubject = 20 // … all in the subject
	scoreOften   = 10 // … each of them often, at most
)

// SearchFuzzy gives those of ids that have all words of the needle in the
// field, each at the beginning of a word, in any order and over line ends;
// the best first, those of one score by descending id. Both are folded, as by
// [Store.SearchText]; what is no letter or digit parts words. A needle without
// a word finds nothing. It fails as SearchText does, with what was found.
func (s *Store) SearchFuzzy(ctx context.Context, ids []MessageID, q TextQuery) ([]Ranked, error) {
	look := query{field: q.Field, header: []byte(mail.Fold(q.Header)), needle: []byte(mail.Fold(q.Needle))}
	words := bytes.FieldsFunc(look.needle, func(r rune) bool { return !isWord(r) })
	if len(words) == 0 {
		return nil, nil
	}
	byLength := slices.Clone(words)
	slices.SortStableFunc(byLength, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	var grams []gram
	for _, w := range byLength {
		if len(grams) < maxQueryGrams {
			grams = append(grams, needleGrams(w, q.Field)...)
		}
	}
	scores := make([]int, len(ids))
	err := s.search(ctx, ids, append(grams, look.headerGrams()...), q.Field, func(place int, t searchText) {
		scores[place] = t.score(look, words)
	})
	if err != nil && !errors.Is(err, ErrDamaged) {
		return nil, err
	}
	var found []Ranked
	for i, n := range scores {
		if n > 0 {
			found = append(found, Ranked{ids[i], n})
		}
	}
	slices.SortFunc(found, func(a, b Ranked) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Message, a.Message))
	})
	return found, err
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// score gives 0 when a word is missing.
func (t searchText) score(q query, words [][]byte) int {
	counts := make([]int, len(words))
	phrase := false
	for place := range t.places(q) {
		for i, w := range words {
			for at := range wordStarts(place, w) {
				counts[i]++
				if i == 0 && !phrase {
					phrase = follow(place[at+len(w):], words[1:])
				}
			}
		}
	}
	rarest := slices.Min(counts)
	if rarest == 0 {
		return 0
	}
	n := scoreWords + min(rarest, scoreOften)
	if phrase {
		n += scorePhrase
	}
	inSubject := true
	for _, w := range words {
		here := false
		for range wordStarts(t.section(int(FieldSubject)), w) {
			here = true
			break
		}
		inSubject = inSubject && here
	}
	if inSubject {
		n += scoreSubject
	}
	return n
}

// wordStarts gives the places where w begins a word, at most maxOccurrences.
func wordStarts(t, w []byte) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		at := 0
		for range maxOccurrences {
			i := bytes.Index(t[at:], w)
			if i < 0 {
				return
			}
			at += i
			if r, _ := utf8.DecodeLastRune(t[:at]); (at == 0 || !isWord(r)) && !yield(at) {
				return
			}
			at += len(w)
		}
	}
}

// maxOccurrences of a word are looked at in one place of a message.
const maxOccurrences = 1000

// follow reports whether t goes on with the words, parted by nothing but what
// is no word, the last one perhaps only the beginning of a word.
func follow(t []byte, words [][]byte) bool {
	for _, w := range words {
		i := bytes.IndexFunc(t, isWord)
		if i <= 0 || bytes.IndexByte(t[:i], endPiece) >= 0 || !bytes.HasPrefix(t[i:], w) {
			return false
		}
		t = t[i+len(w):]
	}
	return true
}
