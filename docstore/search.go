package docstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vanthu/docstore/query"
	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/sqldb"
)

// A Viewer says which documents somebody may find, and of which of them the
// content. edoc.md §4.4.
type Viewer struct {
	All       bool // every document with its content
	AllFields bool // what is recorded of every document, not its content
	// Units are those whose documents, sent or received, may be seen whole;
	// of the documents of FieldUnits only what is recorded.
	Units, FieldUnits []directory.UnitID
}

// Sort is an order of what was found.
type Sort string

// The orders. Ends of equal rank: the newest first.
const (
	SortRank   Sort = "rank"   // what fits best first
	SortDate   Sort = "date"   // date of issue, newest first, unknown last
	SortNumber Sort = "number" // year and number, highest first
	SortDue    Sort = "due"    // next due first, without due date last
)

// Sorts returns all orders.
func Sorts() []Sort { return []Sort{SortRank, SortDate, SortNumber, SortDue} }

// Valid reports whether s is one of the orders.
func (s Sort) Valid() bool { return slices.Contains(Sorts(), s) }

// Truth is true, false, or not yet known.
type Truth int8

// The truths.
const (
	False Truth = iota - 1
	Unknown
	True
)

// A Candidate is a document that may be what was asked for.
type Candidate struct {
	Document
	CodeKey string
	Signer  edoc.Signer
	// Whole: the viewer may see its content.
	Whole bool

	words []string // of the columns
	truth []bool   // of the conditions
}

// A Search is a query made ready. It is safe for concurrent use.
type Search struct {
	viewer Viewer
	root   *expr
	where  []condition // that every candidate must meet
	asked  []condition // that are asked of each candidate, by expr.at
	match  string      // of document_words; "" for no restriction
	never  bool        // the columns alone can never do
}

// expr is a query without what its conditions say, which is in Search.asked.
type expr struct {
	op   exprOp
	kids []*expr
	text *query.Text
	at   int
}

type exprOp uint8

const (
	opAnd exprOp = iota
	opOr
	opNot
	opText
	opAsked
)

// condition is a part of a query without words, as SQL has it.
type condition func(b *sqlText) string

// NewSearch makes a query ready for a viewer. Its conditions about units have
// their Units filled in.
func NewSearch(root query.And, viewer Viewer) *Search {
	x := &Search{viewer: viewer}
	x.root = x.build(root, true)
	m := columnMatch(root)
	x.match, x.never = m.expr, m.never
	return x
}

// HasConditions reports whether every document that is asked for meets some
// condition.
func (x *Search) HasConditions() bool { return len(x.where) > 0 }

// HasText reports whether words are asked for.
func (x *Search) HasText() bool { return x.root.hasText() }

func (e *expr) hasText() bool {
	return e.op == opText || slices.ContainsFunc(e.kids, (*expr).hasText)
}

func hasText(n query.Node) (has bool) {
	query.Texts(n, func(*query.Text, bool) { has = true })
	return has
}

// build makes the expr of n; top tells that n holds whenever the query does.
func (x *Search) build(n query.Node, top bool) *expr {
	if !hasText(n) {
		c := x.condition(n)
		if top {
			x.where = append(x.where, c)
			return &expr{op: opAnd}
		}
		x.asked = append(x.asked, c)
		return &expr{op: opAsked, at: len(x.asked) - 1}
	}
	switch n := n.(type) {
	case query.And:
		e := &expr{op: opAnd}
		plain, rest := parts(n)
		if len(plain) > 0 { // together: those about a recipient are about one
			e.kids = append(e.kids, x.build(plain, top))
		}
		for _, c := range rest {
			e.kids = append(e.kids, x.build(c, top))
		}
		return e
	case query.Or:
		e := &expr{op: opOr}
		for _, c := range n {
			e.kids = append(e.kids, x.build(c, false))
		}
		return e
	case query.Not:
		return &expr{op: opNot, kids: []*expr{x.build(n.Node, false)}}
	case *query.Text:
		return &expr{op: opText, text: n}
	}
	return &expr{op: opAnd}
}

// parts parts what has no words from what has.
func parts(n query.And) (plain, rest query.And) {
	for _, c := range n {
		if hasText(c) {
			rest = append(rest, c)
		} else {
			plain = append(plain, c)
		}
	}
	return plain, rest
}

// Judge tells whether c is what was asked for. content tells of words whether
// they are in the content of the document; it is not asked when the viewer
// may not see it.
func (x *Search) Judge(c *Candidate, content func(t *query.Text) Truth) Truth {
	return x.root.judge(c, content)
}

func (e *expr) judge(c *Candidate, content func(*query.Text) Truth) Truth {
	switch e.op {
	case opText:
		if c.HasWords(e.text) {
			return True
		}
		if !e.text.Scope.HasContent() || !c.Whole {
			return False
		}
		return content(e.text)
	case opAsked:
		if c.truth[e.at] {
			return True
		}
		return False
	case opNot:
		return -e.kids[0].judge(c, content)
	case opOr:
		best := False
		for _, k := range e.kids {
			if best = max(best, k.judge(c, content)); best == True {
				break
			}
		}
		return best
	case opAnd:
	}
	worst := True
	for _, k := range e.kids {
		if worst = min(worst, k.judge(c, content)); worst == False {
			break
		}
	}
	return worst
}

// HasWords tells whether the words stand in the columns of the document that
// they are looked for in.
func (c *Candidate) HasWords(t *query.Text) bool { return c.column(t) >= 0 }

// column gives the first column with the words, -1 for none.
func (c *Candidate) column(t *query.Text) int {
	for i, scope := range wordColumns() {
		if (t.Scope == query.ScopeAll || t.Scope == scope) && holds(c.words[i], t) {
			return i
		}
	}
	return -1
}

// Column gives the first column that has the words, [query.ScopeAll] for none.
func (c *Candidate) Column(t *query.Text) query.Scope {
	if i := c.column(t); i >= 0 {
		return wordColumns()[i]
	}
	return query.ScopeAll
}

// holds tells whether words, which single blanks part, hold those of t.
func holds(words string, t *query.Text) bool {
	want := strings.Join(t.Words, " ")
	for at := 0; ; {
		i := strings.Index(words[at:], want)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(want)
		if (at == 0 || words[at-1] == ' ') && (t.Prefix || end == len(words) || words[end] == ' ') {
			return true
		}
		at++
	}
}

// matching is what can be asked of document_words about a part of a query.
type matching struct {
	expr  string // "" for no restriction
	never bool   // true of no document
}

// columnMatch gives what columns must hold for n to be true by columns alone.
func columnMatch(n query.Node) matching {
	switch n := n.(type) {
	case query.And:
		var list []string
		for _, c := range n {
			m := columnMatch(c)
			if m.never {
				return m
			}
			if m.expr != "" {
				list = append(list, m.expr)
			}
		}
		return matching{expr: join(list, " AND ")}
	case query.Or:
		var list []string
		for _, c := range n {
			m := columnMatch(c)
			if m.never {
				continue
			}
			if m.expr == "" {
				return m
			}
			list = append(list, m.expr)
		}
		return matching{expr: join(list, " OR "), never: len(list) == 0}
	case *query.Text:
		return matching{expr: wordMatch(n), never: !n.Scope.HasColumns()}
	}
	return matching{}
}

func join(list []string, op string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return "(" + strings.Join(list, op) + ")"
}

// wordMatch gives the query of document_words for one phrase. Words are
// letters and digits only.
func wordMatch(t *query.Text) string {
	s := `"` + strings.Join(t.Words, " ") + `"`
	if t.Prefix {
		s += " *"
	}
	column := ""
	switch t.Scope {
	case query.ScopeCode:
		column = "code"
	case query.ScopeAbstract:
		column = "abstract"
	case query.ScopeType:
		column = "type"
	case query.ScopeIssuer:
		column = "issuer"
	case query.ScopeSigner:
		column = "signer"
	case query.ScopeFile:
		column = "files"
	case query.ScopeAll, query.ScopeContent:
		return s
	}
	return column + " : " + s
}

// WithWords gives the newest documents that have the words in their columns,
// at most limit of them.
func WithWords(ctx context.Context, r sqldb.Reader, t *query.Text, limit int) ([]DocumentID, error) {
	return collect(ctx, r, func(r row) (id DocumentID, err error) {
		err = r.Scan(&id)
		return id, err
	}, qWithWords, wordMatch(t), limit)
}

const qWithWords = `SELECT rowid FROM document_words WHERE document_words MATCH $1 ORDER BY rowid DESC LIMIT $2`

// A Slice chooses some of the candidates.
type Slice struct {
	ByColumns bool         // only those that may be true by their columns alone
	IDs       []DocumentID // only these; nil for all
	Sort      Sort
	Limit     int
	Offset    int
}

// Candidates gives documents that may be what was asked for, and that the
// viewer may find: they meet the conditions; of words, see Slice and Judge.
func (x *Search) Candidates(ctx context.Context, r sqldb.Reader, s Slice) ([]Candidate, error) {
	if s.ByColumns && x.never || s.IDs != nil && len(s.IDs) == 0 {
		return nil, nil
	}
	match := s.ByColumns && x.match != ""
	b := sqlText{few: match || s.IDs != nil}
	b.WriteString(`SELECT d.` + strings.Join(strings.Fields(documentColumns), ` d.`) + `, d.code_key, d.signer, t.words, `)
	b.WriteString(b.truth(x.wholly(&b)))
	for _, c := range x.asked {
		b.WriteString(", ")
		b.WriteString(b.truth(c(&b)))
	}
	if match {
		// SQLite keeps the order of a cross join: it must not ask for the words
		// anew for each document that meets a condition.
		b.WriteString(` FROM document_words CROSS JOIN document d CROSS JOIN document_text t WHERE d.id = document_words.rowid AND t.document_id = d.id`)
	} else {
		b.WriteString(` FROM document d JOIN document_text t ON t.document_id = d.id WHERE 1 = 1`)
	}
	if match {
		b.WriteString(` AND document_words MATCH ` + b.value(x.match))
	}
	if s.IDs != nil {
		b.WriteString(` AND d.id IN (`)
		for i, id := range s.IDs {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(b.value(int64(id)))
		}
		b.WriteString(`)`)
	}
	for _, c := range x.where {
		b.WriteString(` AND ` + c(&b))
	}
	b.WriteString(` AND ` + x.visible(&b))
	switch s.Sort {
	case SortDate:
		b.WriteString(` ORDER BY d.issued_us DESC, d.id DESC`)
	case SortNumber:
		b.WriteString(` ORDER BY d.year DESC, d.number DESC, d.id DESC`)
	case SortDue:
		b.WriteString(` ORDER BY CASE WHEN d.due_us = 0 THEN 1 ELSE 0 END, d.due_us, d.id DESC`)
	default:
		if match {
			b.WriteString(` ORDER BY document_words.rowid DESC`)
		} else {
			b.WriteString(` ORDER BY d.id DESC`)
		}
	}
	b.WriteString(` LIMIT ` + b.value(s.Limit) + ` OFFSET ` + b.value(s.Offset))
	return collect(ctx, r, func(r row) (Candidate, error) { return scanCandidate(r, len(x.asked)) }, b.String(), b.args...)
}

// FewIDs gives the documents that meet the conditions and may be found, when
// there are at most limit of them; ok is false otherwise. With a document as
// bound only those that come no later than it in an order other than rank.
func (x *Search) FewIDs(ctx context.Context, r sqldb.Reader, limit int, sort Sort, bound *Document) (ids []DocumentID, ok bool, err error) {
	var b sqlText
	b.WriteString(`SELECT d.id FROM document d WHERE 1 = 1`)
	if bound != nil {
		switch sort {
		case SortDate:
			b.WriteString(` AND d.issued_us >= ` + b.value(sqldb.Micros(bound.Issued)))
		case SortNumber:
			year := b.value(bound.Year)
			b.WriteString(` AND d.year >= ` + year + ` AND (d.year > ` + year + ` OR d.number >= ` + b.value(bound.Number) + `)`)
		case SortDue:
			if !bound.Due.IsZero() {
				b.WriteString(` AND d.due_us <> 0 AND d.due_us <= ` + b.value(sqldb.Micros(bound.Due)))
			}
		case SortRank:
		}
	}
	for _, c := range x.where {
		b.WriteString(` AND ` + c(&b))
	}
	b.WriteString(` AND ` + x.visible(&b) + ` LIMIT ` + b.value(limit+1))
	ids, err = collect(ctx, r, func(r row) (id DocumentID, err error) {
		err = r.Scan(&id)
		return id, err
	}, b.String(), b.args...)
	return ids, len(ids) <= limit, err
}

// DocumentRef names a document and its message.
type DocumentRef struct {
	Document DocumentID
	Message  MessageRef
}

// DocumentRefs gives the documents after one, ascending.
func DocumentRefs(ctx context.Context, r sqldb.Reader, after DocumentID) ([]DocumentRef, error) {
	return collect(ctx, r, func(r row) (d DocumentRef, err error) {
		err = r.Scan(&d.Document, &d.Message)
		return d, err
	}, `SELECT id, message_id FROM document WHERE id > $1 ORDER BY id`, int64(after))
}

func scanCandidate(r row, asked int) (Candidate, error) {
	var c Candidate
	var signer, words string
	var whole int
	truth := make([]int, asked)
	more := []any{&c.CodeKey, &signer, &words, &whole}
	for i := range truth {
		more = append(more, &truth[i])
	}
	doc, err := scanDocument(widened{r, more})
	if err != nil {
		return Candidate{}, err
	}
	c.Document, c.Whole, c.words = doc, whole == 1, strings.Split(words, "\n")
	if len(c.words) != len(wordColumns()) {
		return Candidate{}, fmt.Errorf("document %d has %d columns of words", doc.ID, len(c.words))
	}
	for _, n := range truth {
		c.truth = append(c.truth, n == 1)
	}
	if signer != "" {
		if err := json.Unmarshal([]byte(signer), &c.Signer); err != nil {
			return Candidate{}, fmt.Errorf("read the signer of a document: %w", err)
		}
	}
	return c, nil
}

// widened scans a row that has more columns behind.
type widened struct {
	row
	more []any
}

// Scan reads the columns asked for, then the further ones.
func (w widened) Scan(dest ...any) error { return w.row.Scan(append(dest, w.more...)...) }

// sqlText is a query that is being put together, with its values.
type sqlText struct {
	strings.Builder
	args []any
	few  bool // other things bring the candidates down to some: ask each
}

// value adds a value and gives its place.
func (b *sqlText) value(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

// truth gives a condition as 1 or 0.
func (b *sqlText) truth(cond string) string { return `CASE WHEN ` + cond + ` THEN 1 ELSE 0 END` }
