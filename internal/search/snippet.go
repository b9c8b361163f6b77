package search

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/docstore"
	"vanthu/docstore/query"
	"vanthu/internal/directory"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// A Snippet is a piece of text in which something was found.
type Snippet struct {
	Source string   `json:"source"` // abstract, signer, issuer, type, file_name, file, message; "" for nothing to show
	Text   string   `json:"text"`
	Marks  [][2]int `json:"marks"` // what was found: begin and end, in characters of Text
}

// Marked gives the text with « » around what was found.
func (s Snippet) Marked() string {
	var b strings.Builder
	runes := []rune(s.Text)
	at := 0
	for _, m := range s.Marks {
		b.WriteString(string(runes[at:m[0]]) + "«" + string(runes[m[0]:m[1]]) + "»")
		at = m[1]
	}
	return b.String() + string(runes[at:])
}

// Sizes of a snippet.
const (
	snippetRunes = 160
	snippetLead  = 40 // characters before the first mark
	bodyText     = 256 << 10
)

// describe finds out where a hit has the words, and how far it got.
func (s *run) describe(ctx context.Context, h *Hit) error {
	var wanted []*query.Text
	query.Texts(s.root, func(t *query.Text, is bool) {
		if is {
			wanted = append(wanted, t)
		}
	})
	c := &h.cand
	err := s.db.View(ctx, func(r sqldb.Reader) (err error) {
		h.Sent, err = docstore.Dispatches(ctx, r, c.ID)
		return err
	})
	if err != nil {
		return err
	}
	h.Sent = s.mayKnow(h)
	if len(wanted) == 0 {
		return nil
	}
	h.Snippet = snippetOf(c, wanted)
	if h.Snippet.Source != "" || !h.Whole {
		return nil
	}
	h.Snippet, err = s.contentSnippet(ctx, c, wanted)
	return err
}

// mayKnow leaves the dispatches out that are none of the viewer's business.
func (s *run) mayKnow(h *Hit) []docstore.Dispatch {
	v := s.viewer
	mine := func(u directory.UnitID) bool { return slices.Contains(v.Units, u) || slices.Contains(v.FieldUnits, u) }
	if v.All || v.AllFields || h.Issuer != 0 && mine(h.Issuer) {
		return h.Sent
	}
	return slices.DeleteFunc(h.Sent, func(d docstore.Dispatch) bool { return !mine(d.To) })
}

// snippetOf looks for the words in what is recorded of a document.
func snippetOf(c *docstore.Candidate, wanted []*query.Text) Snippet {
	signer := strings.Join(strings.Fields(c.Signer.Competence+" "+c.Signer.Position+" "+c.Signer.FullName), " ")
	for _, f := range []struct {
		source, text string
		scope        query.Scope
	}{
		{"abstract", c.Abstract, query.ScopeAbstract}, {"signer", signer, query.ScopeSigner},
		{"issuer", c.IssuerName, query.ScopeIssuer}, {"type", c.Type.Name, query.ScopeType},
	} {
		var own []*query.Text
		for _, t := range wanted {
			if t.Scope == query.ScopeAll || t.Scope == f.scope {
				own = append(own, t)
			}
		}
		if sn := cut(f.text, own); len(sn.Marks) > 0 {
			sn.Source = f.source
			return sn
		}
	}
	return Snippet{}
}

// contentSnippet looks for the words in the texts of the files, in the
// message, and at last in the folded text by which it was found.
func (s *run) contentSnippet(ctx context.Context, c *docstore.Candidate, wanted []*query.Text) (Snippet, error) {
	wanted = slices.DeleteFunc(slices.Clone(wanted), func(t *query.Text) bool { return !t.Scope.HasContent() })
	if len(wanted) == 0 {
		return Snippet{}, nil
	}
	var kept string
	err := s.db.View(ctx, func(r sqldb.Reader) (err error) {
		kept, err = docstore.KeptText(ctx, r, c.ID)
		return err
	})
	if err != nil {
		return Snippet{}, err
	}
	if sn := cut(kept, wanted); len(sn.Marks) > 0 {
		sn.Source = "file"
		return sn, nil
	}
	id := mailstore.MessageID(c.Message)
	text, err := s.boxes.Readable(ctx, id, bodyText)
	if errors.Is(err, mailstore.ErrNoMessage) || errors.Is(err, mailstore.ErrDamaged) {
		return Snippet{}, nil
	}
	if err != nil {
		return Snippet{}, err
	}
	if sn := cut(text, wanted); len(sn.Marks) > 0 {
		sn.Source = "message"
		return sn, nil
	}
	for _, t := range wanted {
		text, err := s.boxes.FoldedAround(ctx, id, mailstore.Phrase{Words: t.Words, Prefix: t.Prefix})
		if err != nil && !errors.Is(err, mailstore.ErrDamaged) {
			return Snippet{}, err
		}
		if sn := cut(text, wanted); len(sn.Marks) > 0 {
			sn.Source = "file"
			return sn, nil
		}
	}
	return Snippet{}, nil
}

// token is a word of a text: its folded form and place in octets.
type token struct {
	word       string
	begin, end int
}

// cut gives the piece of text with the most of what is wanted, marked, with
// its own diacritics.
func cut(text string, wanted []*query.Text) Snippet {
	text = norm.NFC.String(text)
	tokens := tokensOf(text)
	spans := matches(tokens, wanted)
	if len(spans) == 0 {
		return Snippet{}
	}
	// The window begins where most different phrases follow within its length.
	best, most := 0, 0
	for i := range spans {
		kinds := map[int]bool{}
		for j := i; j < len(spans) && j < i+20 && spans[j].end-spans[i].begin < snippetRunes; j++ {
			kinds[spans[j].of] = true
		}
		if len(kinds) > most {
			best, most = i, len(kinds)
		}
	}
	begin := backBy(text, spans[best].begin, snippetLead)
	end := onBy(text, begin, max(snippetRunes, utf8.RuneCountInString(text[begin:spans[best].end])))
	return window(text, begin, end, spans)
}

// span is a place in octets where one of the phrases is.
type span struct{ begin, end, of int }

// matches finds the phrases among tokens, in order, without overlap.
func matches(tokens []token, wanted []*query.Text) []span {
	var spans []span
	for i := 0; i < len(tokens); i++ {
		for of, t := range wanted {
			if !at(tokens[i:], t) {
				continue
			}
			last := i + len(t.Words) - 1
			spans = append(spans, span{tokens[i].begin, tokens[last].end, of})
			i = last
			break
		}
	}
	return spans
}

func at(tokens []token, t *query.Text) bool {
	if len(tokens) < len(t.Words) {
		return false
	}
	for k, w := range t.Words {
		if tokens[k].word != w && !(t.Prefix && k == len(t.Words)-1 && strings.HasPrefix(tokens[k].word, w)) {
			return false
		}
	}
	return true
}

// tokensOf parts a text in NFC into its words.
func tokensOf(text string) []token {
	var out []token
	begin := -1
	for i, r := range text {
		in := query.IsWord(r) || begin >= 0 && unicode.Is(unicode.Mn, r)
		switch {
		case in && begin < 0:
			begin = i
		case !in && begin >= 0:
			out = append(out, token{mail.Fold(text[begin:i]), begin, i})
			begin = -1
		}
	}
	if begin >= 0 {
		out = append(out, token{mail.Fold(text[begin:]), begin, len(text)})
	}
	return out
}

// backBy goes n characters back and on to the begin of a word.
func backBy(text string, at, n int) int {
	from := at
	for ; n > 0 && from > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	if from == 0 {
		return 0
	}
	if i := strings.IndexFunc(text[from:at], unicode.IsSpace); i >= 0 {
		return from + i + 1
	}
	return from
}

// onBy goes n characters on and back to the end of a word.
func onBy(text string, at, n int) int {
	to := at
	for ; n > 0 && to < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[to:])
		to += size
	}
	if to == len(text) {
		return to
	}
	if i := strings.LastIndexFunc(text[at:to], unicode.IsSpace); i > 0 {
		return at + i
	}
	return to
}

// window cuts a piece out, on one line, with the marks that lie in it.
func window(text string, begin, end int, spans []span) Snippet {
	var b strings.Builder
	var sn Snippet
	n := 0
	write := func(r rune) {
		b.WriteRune(r)
		n++
	}
	if begin > 0 {
		write('…')
		write(' ')
	}
	k, blank := 0, true
	for k < len(spans) && spans[k].begin < begin {
		k++
	}
	for i, r := range text[begin:end] {
		i += begin
		if k < len(spans) && i == spans[k].begin && spans[k].end <= end {
			sn.Marks = append(sn.Marks, [2]int{n, -1})
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			if !blank {
				write(' ')
			}
			blank = true
		} else {
			write(r)
			blank = false
		}
		if m := len(sn.Marks); m > 0 && sn.Marks[m-1][1] < 0 && i+utf8.RuneLen(r) >= spans[k].end {
			sn.Marks[m-1][1] = n
			k++
		}
	}
	sn.Text = strings.TrimRight(b.String(), " ")
	if strings.TrimSpace(text[end:]) != "" {
		sn.Text += " …"
	}
	return sn
}
