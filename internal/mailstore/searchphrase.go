package mailstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"vanthu/internal/mail"
)

// A Phrase is whole words one right after another, whatever stands between
// them but letters and digits.
type Phrase struct {
	Words  []string // letters and digits, folded by [mail.Fold]
	Prefix bool     // the last one may go on
}

// MayHold reports for each of ids whether the message may hold the phrase, as
// [Store.Hold] tells for sure. With joined only those may that hold it with
// single blanks between its words: that is much more telling than the words.
func (s *Store) MayHold(ctx context.Context, ids []MessageID, p Phrase, joined bool) ([]bool, error) {
	var grams []gram
	if joined {
		grams = needleGrams([]byte(strings.Join(p.Words, " ")), FieldText)
	} else {
		byLength := slices.Clone(p.Words)
		slices.SortStableFunc(byLength, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		for _, w := range byLength {
			if len(grams) < maxQueryGrams {
				grams = append(grams, needleGrams([]byte(w), FieldText)...)
			}
		}
	}
	may := make([]bool, len(ids))
	list, err := s.suspects(ctx, probesOf(ids), grams)
	for _, x := range list {
		may[x.place] = true
	}
	return may, err
}

// Hold tells of each of ids which of the phrases are in its subject, its
// addresses, its text parts or the texts and names of its files. hold is called
// by several goroutines, at most once for one place; held is good until it
// returns. Of a message that is gone nothing is told. [ErrDamaged] is
// returned, with all other answers, when a message could not be read.
func (s *Store) Hold(ctx context.Context, ids []MessageID, phrases []Phrase, hold func(place int, held []bool)) error {
	return s.judgeAll(ctx, probesOf(ids), FieldText, func(place int, t searchText) {
		held := make([]bool, len(phrases))
		for i, p := range phrases {
			held[i] = t.holdsAnywhere(p)
		}
		hold(place, held)
	})
}

// probesOf gives the probes of ids, ascending.
func probesOf(ids []MessageID) []probe {
	probes := make([]probe, len(ids))
	for i, id := range ids {
		probes[i] = probe{id: id, place: int32(i)} //nolint:gosec // there are less than 2^31 messages
	}
	byID := func(a, b probe) int { return cmp.Compare(a.id, b.id) }
	if !slices.IsSortedFunc(probes, byID) {
		slices.SortFunc(probes, byID)
	}
	return probes
}

func (t searchText) holdsAnywhere(p Phrase) bool {
	for f := FieldSubject; f <= FieldCc; f++ {
		if holdsPhrase(t.section(int(f)), p) {
			return true
		}
	}
	return holdsPhrase(t.section(sectionBody), p)
}

func holdsPhrase(t []byte, p Phrase) bool {
	if len(p.Words) == 0 {
		return false
	}
	first := []byte(p.Words[0])
	for at := 0; ; {
		i := bytes.Index(t[at:], first)
		if i < 0 {
			return false
		}
		begin := at + i
		if r, _ := utf8.DecodeLastRune(t[:begin]); (begin == 0 || !isWord(r)) && beginsWith(t[begin:], p) {
			return true
		}
		at = begin + 1
	}
}

// beginsWith reports whether t, which begins with the first word's letters,
// begins with the phrase.
func beginsWith(t []byte, p Phrase) bool {
	for n, w := range p.Words {
		if n > 0 {
			i := bytes.IndexFunc(t, isWord)
			if i <= 0 || bytes.IndexByte(t[:i], endPiece) >= 0 {
				return false
			}
			t = t[i:]
		}
		if len(t) < len(w) || string(t[:len(w)]) != w {
			return false
		}
		t = t[len(w):]
		if p.Prefix && n == len(p.Words)-1 {
			return true
		}
		if r, _ := utf8.DecodeRune(t); len(t) > 0 && isWord(r) {
			return false
		}
	}
	return true
}

// Readable gives the text of a message's own text parts, as a reader sees it,
// at most about limit octets. It is [ErrNoMessage] when the message is gone.
func (s *Store) Readable(ctx context.Context, id MessageID, limit int) (_ string, err error) {
	c, err := s.Content(ctx, id)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	p := readablePart(c.Structure.Root(), 0)
	if p == nil {
		return "", nil
	}
	raw, err := io.ReadAll(io.LimitReader(p.Decoder(c.Body()), int64(limit)))
	if err != nil {
		return "", err
	}
	text := mail.DecodeText(raw, p.Charset())
	if p.Subtype == "html" {
		text = htmlText(text)
	}
	return text, nil
}

// FoldedAround gives the folded text around the first place of a message that
// has the phrase, "" for none: for what cannot be shown as it was written.
func (s *Store) FoldedAround(ctx context.Context, id MessageID, p Phrase) (around string, err error) {
	const before, after = 80, 160 // octets
	err = s.judgeAll(ctx, probesOf([]MessageID{id}), FieldText, func(_ int, t searchText) {
		body := t.section(sectionBody)
		for at := 0; at < len(body); {
			i := bytes.Index(body[at:], []byte(p.Words[0]))
			if i < 0 {
				return
			}
			begin := at + i
			if r, _ := utf8.DecodeLastRune(body[:begin]); (begin == 0 || !isWord(r)) && beginsWith(body[begin:], p) {
				from, to := max(begin-before, 0), min(begin+after, len(body))
				if cut := bytes.LastIndexByte(body[from:begin], endPiece); cut >= 0 {
					from += cut + 1
				}
				if cut := bytes.IndexByte(body[begin:to], endPiece); cut >= 0 {
					to = begin + cut
				}
				around = strings.ToValidUTF8(string(body[from:to]), "")
				return
			}
			at = begin + 1
		}
	})
	return around, err
}
