// Package search finds official documents: by what is recorded of them, which
// docstore keeps, and by what their messages and files say, which the text
// index of mailstore knows. It reads; only that somebody looked with the
// rights of an auditor or administrator is written down.
//
// The language: docs/formats/search.md; how it works: docs/adr/0012-search.md.
package search

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/unicode/norm"

	"vanthu/docstore"
	"vanthu/docstore/query"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
	"vanthu/internal/worktime"
)

// vietnam is the zone of all local dates of the product.
var vietnam = worktime.Zone

// Options tunes an Engine; the zero value works.
type Options struct {
	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil discards
}

// Engine searches. Its methods may be called concurrently.
type Engine struct {
	db    *sqldb.DB
	dir   *directory.Directory
	boxes *mailstore.Store
	opt   Options

	mu   sync.Mutex
	refs []docstore.DocumentRef // ascending; only grows
}

// New returns an Engine.
func New(db *sqldb.DB, dir *directory.Directory, boxes *mailstore.Store, opt Options) (*Engine, error) {
	if db == nil || dir == nil || boxes == nil {
		return nil, errors.New("search: a store is missing")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{db: db, dir: dir, boxes: boxes, opt: opt}, nil
}

// Bounds of one search.
const (
	DefaultLimit = 20
	MaxLimit     = 10_000
	maxOffset    = 100_000

	maxRanked = 400   // of what the columns find the newest so many are ranked
	manyWords = 2_000 // a word in more documents than that does not narrow
	fewByCond = 4_000 // as many documents are looked into one by one
	maxTexts  = 1_000 // texts of messages looked into, unless thorough
	maxJoined = 2_000 // candidates that hold the words as typed
	chunk     = 128   // candidates at once
)

// A Request is what somebody asks.
type Request struct {
	Query  string
	As     directory.AccountID // whose rights count; 0 is the administrator at the machine: all
	Sort   docstore.Sort       // "" is rank
	Limit  int                 // 0 means [DefaultLimit]
	Offset int
	// Thorough looks into every text, however long it takes.
	Thorough bool
}

// Result is what was found.
type Result struct {
	Hits []Hit
	More bool // there are more than Limit
	// Complete is false when texts of messages were left unread: then an old
	// document may be missing that has the words scattered in its content.
	Complete bool
}

// A Hit is a document that was found.
type Hit struct {
	docstore.Document
	Signer  string
	Whole   bool // whoever asks may see its content
	Exact   bool // its very number and symbol were asked for
	Snippet Snippet
	Sent    []docstore.Dispatch // those that whoever asks may see

	cand  docstore.Candidate
	tier  int
	score float64
}

// Search finds documents. Errors about the query are of kind fault.Invalid.
func (e *Engine) Search(ctx context.Context, req Request) (Result, error) {
	if err := req.check(); err != nil {
		return Result{}, err
	}
	q, err := query.Parse(req.Query, e.opt.Now())
	if err != nil {
		return Result{}, err
	}
	viewer, err := e.viewer(req.As)
	if err != nil {
		return Result{}, err
	}
	root, err := e.resolve(q.Root)
	if err != nil {
		return Result{}, err
	}
	x := docstore.NewSearch(root, viewer)
	s := run{Engine: e, req: req, q: q, root: root, x: x, viewer: viewer, seen: map[docstore.DocumentID]bool{}, complete: true}
	if x.HasText() {
		err = s.texts(ctx)
	} else {
		err = s.plain(ctx)
	}
	if err != nil {
		return Result{}, err
	}
	res, err := s.finish(ctx)
	if err != nil {
		return Result{}, err
	}
	return res, e.note(ctx, req, viewer, len(res.Hits))
}

func (r *Request) check() error {
	if r.Sort == "" {
		r.Sort = docstore.SortRank
	}
	if r.Limit == 0 {
		r.Limit = DefaultLimit
	}
	switch {
	case !r.Sort.Valid():
		return fault.New(fault.Invalid, fault.Text{
			EN: "results are sorted by rank, date, number or due", VI: "kết quả được xếp theo rank, date, number hoặc due",
		})
	case r.Limit < 0 || r.Limit > MaxLimit || r.Offset < 0 || r.Offset > maxOffset:
		return fault.Newf(fault.Invalid, "at most %d results are given at once, from 0 to %d on", MaxLimit, maxOffset)
	}
	return nil
}

// run is one search under way.
type run struct {
	*Engine
	req      Request
	q        query.Query
	root     query.And
	x        *docstore.Search
	viewer   docstore.Viewer
	hits     []Hit
	seen     map[docstore.DocumentID]bool
	paged    bool // hits begin at the offset already
	looked   int  // texts of messages
	complete bool
}

// want is how many hits fill the page and tell whether there are more.
func (s *run) want() int { return s.req.Offset + s.req.Limit + 1 }

// plain answers a query without words.
func (s *run) plain(ctx context.Context) error {
	s.paged = true
	return s.db.View(ctx, func(r sqldb.Reader) error {
		list, err := s.x.Candidates(ctx, r, docstore.Slice{Sort: s.req.Sort, Limit: s.req.Limit + 1, Offset: s.req.Offset})
		for _, c := range list {
			s.hits = append(s.hits, Hit{cand: c})
		}
		return err
	})
}

// Tiers: what is in a better one comes first.
const (
	tierCode    = iota // its very number was asked for
	tierColumns        // the columns have all words
	tierJoined         // the content has them as typed
	tierContent        // the content has them
)

// texts answers a query with words.
func (s *run) texts(ctx context.Context) error {
	if err := s.byColumns(ctx); err != nil {
		return err
	}
	if s.req.Sort == docstore.SortRank && len(s.hits) >= s.want() {
		return nil
	}
	content := s.viewer.All || len(s.viewer.Units) > 0
	if content {
		content = false
		query.Texts(s.root, func(t *query.Text, wanted bool) { content = content || wanted && t.Scope.HasContent() })
	}
	if !content {
		return nil
	}
	return s.byContent(ctx)
}

// byColumns finds what the columns alone decide: for the rank the newest ones,
// for other orders the first ones.
func (s *run) byColumns(ctx context.Context) error {
	if done, err := s.few(ctx); done || err != nil {
		return err
	}
	limit := max(s.want(), maxRanked)
	if s.req.Sort != docstore.SortRank {
		limit = max(s.want(), chunk)
	}
	for offset := 0; ; offset += limit {
		var list []docstore.Candidate
		err := s.db.View(ctx, func(r sqldb.Reader) (err error) {
			list, err = s.x.Candidates(ctx, r, docstore.Slice{ByColumns: true, Sort: s.req.Sort, Limit: limit, Offset: offset})
			return err
		})
		if err != nil {
			return err
		}
		// Wanted words must be in the columns here; unwanted ones may be in the
		// content, which has to be looked into.
		if err := s.judge(ctx, list, tierColumns, true); err != nil {
			return err
		}
		if len(list) < limit || len(s.hits) >= s.want() {
			return nil
		}
	}
}

// few judges all documents that meet the conditions, when these are few.
func (s *run) few(ctx context.Context) (done bool, err error) {
	if !s.x.HasConditions() {
		return false, nil
	}
	var list []docstore.Candidate
	err = s.db.View(ctx, func(r sqldb.Reader) error {
		ids, ok, err := s.x.FewIDs(ctx, r, maxRanked, docstore.SortRank, nil)
		if !ok || err != nil {
			return err
		}
		done = true
		for some := range slices.Chunk(ids, chunk) {
			part, err := s.x.Candidates(ctx, r, docstore.Slice{IDs: some, Limit: len(some)})
			if err != nil {
				return err
			}
			list = append(list, part...)
		}
		return nil
	})
	if !done || err != nil {
		return done, err
	}
	return true, s.judge(ctx, list, tierColumns, true)
}

// judge takes those of the candidates that are what was asked for. When only
// columns are to decide, words that are wanted count as missing in contents.
func (s *run) judge(ctx context.Context, list []docstore.Candidate, tier int, columns bool) error {
	unwanted := map[*query.Text]bool{}
	query.Texts(s.root, func(t *query.Text, wanted bool) { unwanted[t] = !wanted })
	var open []docstore.Candidate
	first := make([]docstore.Truth, len(list))
	for i := range list {
		first[i] = s.x.Judge(&list[i], func(t *query.Text) docstore.Truth {
			if columns && !unwanted[t] {
				return docstore.False
			}
			return docstore.Unknown
		})
		if first[i] == docstore.Unknown {
			open = append(open, list[i])
		}
	}
	held, err := s.hold(ctx, open)
	if err != nil {
		return err
	}
	for i := range list {
		c := &list[i]
		truth := first[i]
		if truth == docstore.Unknown {
			has := held[c.ID]
			truth = s.x.Judge(c, func(t *query.Text) docstore.Truth {
				if columns && !unwanted[t] || !has[t] {
					return docstore.False
				}
				return docstore.True
			})
		}
		if truth == docstore.True && !s.seen[c.ID] {
			s.seen[c.ID] = true
			s.hits = append(s.hits, Hit{cand: *c, tier: tier})
		}
	}
	return nil
}

// hold looks into the contents of candidates for all words.
func (s *run) hold(ctx context.Context, list []docstore.Candidate) (map[docstore.DocumentID]map[*query.Text]bool, error) {
	if len(list) == 0 {
		return nil, nil //nolint:nilnil // reading a nil map is what is wanted
	}
	var texts []*query.Text
	var phrases []mailstore.Phrase
	query.Texts(s.root, func(t *query.Text, _ bool) {
		if t.Scope.HasContent() {
			texts = append(texts, t)
			phrases = append(phrases, mailstore.Phrase{Words: t.Words, Prefix: t.Prefix})
		}
	})
	ids := make([]mailstore.MessageID, len(list))
	for i, c := range list {
		ids[i] = mailstore.MessageID(c.Message)
	}
	s.looked += len(ids)
	out := make(map[docstore.DocumentID]map[*query.Text]bool, len(list))
	var mu sync.Mutex
	err := s.boxes.Hold(ctx, ids, phrases, func(place int, held []bool) {
		has := make(map[*query.Text]bool, len(texts))
		for i, t := range texts {
			has[t] = held[i]
		}
		mu.Lock()
		defer mu.Unlock()
		out[list[place].ID] = has
	})
	if errors.Is(err, mailstore.ErrDamaged) {
		s.opt.Log.ErrorContext(ctx, "a message cannot be searched", "err", err)
		s.complete, err = false, nil
	}
	return out, err
}

// byContent finds what the content decides.
func (s *run) byContent(ctx context.Context) error {
	refs, err := s.references(ctx)
	if err != nil {
		return err
	}
	may, joined, err := s.narrow(ctx, refs)
	if err != nil {
		return err
	}
	first, rest := may.and(joined), may.minus(joined)
	if s.req.Thorough {
		return errors.Join(s.walk(ctx, refs, first, tierJoined, 0), s.walk(ctx, refs, rest, tierContent, 0))
	}
	if err := s.walk(ctx, refs, first, tierJoined, maxJoined); err != nil {
		return err
	}
	if s.req.Sort == docstore.SortRank && len(s.hits) >= s.want() {
		return nil
	}
	return s.walk(ctx, refs, rest, tierContent, maxTexts)
}

// walk judges candidates, the newest first, until the page is full or most
// texts have been looked into; 0 is no bound.
func (s *run) walk(ctx context.Context, refs []docstore.DocumentRef, set bitset, tier, most int) error {
	begin := s.looked
	ids := make([]docstore.DocumentID, 0, chunk)
	look := func() error {
		var list []docstore.Candidate
		err := s.db.View(ctx, func(r sqldb.Reader) (err error) {
			list, err = s.x.Candidates(ctx, r, docstore.Slice{IDs: ids, Limit: len(ids)})
			return err
		})
		ids = ids[:0]
		if err != nil {
			return err
		}
		return s.judge(ctx, list, tier, false)
	}
	for i := len(refs) - 1; i >= 0; i-- {
		if !set.has(i) || s.seen[refs[i].Document] {
			continue
		}
		if len(ids) == 0 {
			if s.req.Sort == docstore.SortRank && len(s.hits) >= s.want() {
				return nil
			}
			if most > 0 && s.looked-begin >= most {
				s.complete = false
				return nil
			}
		}
		if ids = append(ids, refs[i].Document); len(ids) == chunk {
			if err := look(); err != nil {
				return err
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return look()
}

// references gives all documents with their messages, ascending.
func (e *Engine) references(ctx context.Context) ([]docstore.DocumentRef, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := docstore.DocumentID(0)
	if n := len(e.refs); n > 0 {
		last = e.refs[n-1].Document
	}
	err := e.db.View(ctx, func(r sqldb.Reader) error {
		more, err := docstore.DocumentRefs(ctx, r, last)
		e.refs = append(e.refs, more...)
		return err
	})
	return e.refs[:len(e.refs):len(e.refs)], err
}

// finish puts the hits in order, cuts the page out, and says of each where it
// was found.
func (s *run) finish(ctx context.Context) (Result, error) {
	for i := range s.hits {
		s.rank(&s.hits[i])
	}
	if !s.paged {
		slices.SortStableFunc(s.hits, s.compare)
		s.hits = s.hits[min(s.req.Offset, len(s.hits)):]
	}
	res := Result{Complete: s.complete, More: len(s.hits) > s.req.Limit}
	res.Hits = s.hits[:min(s.req.Limit, len(s.hits))]
	for i := range res.Hits {
		h := &res.Hits[i]
		c := &h.cand
		h.Document, h.Whole = c.Document, c.Whole
		h.Signer = strings.Join(strings.Fields(c.Signer.Competence+" "+c.Signer.Position+" "+c.Signer.FullName), " ")
		if err := s.describe(ctx, h); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

func (s *run) compare(a, b Hit) int {
	x, y := &a.cand, &b.cand
	newest := cmp.Compare(y.ID, x.ID)
	switch s.req.Sort {
	case docstore.SortDate:
		return cmp.Or(y.Issued.Compare(x.Issued), newest)
	case docstore.SortNumber:
		return cmp.Or(cmp.Compare(y.Year, x.Year), cmp.Compare(y.Number, x.Number), newest)
	case docstore.SortDue:
		if x.Due.IsZero() != y.Due.IsZero() {
			if x.Due.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(x.Due.Compare(y.Due), newest)
	case docstore.SortRank:
	}
	return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(b.score, a.score), newest)
}

// weight is how much a word in a column tells.
func weight(column query.Scope) float64 {
	switch column {
	case query.ScopeCode:
		return 8
	case query.ScopeAbstract:
		return 5
	case query.ScopeType, query.ScopeSigner:
		return 3
	case query.ScopeIssuer, query.ScopeFile:
		return 2
	case query.ScopeAll, query.ScopeContent:
	}
	return 1
}

// rank gives a hit its tier and score: what the words weigh, times how new it
// is; half after a year.
func (s *run) rank(h *Hit) {
	c := &h.cand
	for _, code := range s.q.Codes {
		if code.Key() == c.CodeKey && (code.Year == 0 || code.Year == c.Year) {
			h.tier, h.Exact = tierCode, true
		}
	}
	if h.tier > tierColumns {
		return
	}
	written := norm.NFC.String(strings.ToLower(c.Abstract + " " + c.IssuerName + " " + c.Signer.FullName + " " + c.Signer.Position))
	text := 0.0
	query.Texts(s.root, func(t *query.Text, wanted bool) {
		if !wanted {
			return
		}
		w := weight(c.Column(t))
		if t.Exact != "" && strings.Contains(written, t.Exact) {
			w *= 1.5
			if t.Quoted {
				w *= 2
			}
		}
		text += w
	})
	for _, run := range runs(s.root) {
		if c.HasWords(&query.Text{Scope: query.ScopeAbstract, Words: run}) {
			text *= 2
		}
	}
	years := s.opt.Now().Sub(c.Created).Hours() / (24 * 365)
	h.score = text / (1 + max(years, 0))
}
