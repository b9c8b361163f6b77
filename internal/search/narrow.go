package search

import (
	"cmp"
	"context"
	"math/bits"
	"slices"

	"vanthu/docstore"
	"vanthu/docstore/query"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// bitset is a set of places in a list of documents.
type bitset []uint64

func newBits(n int) bitset { return make(bitset, (n+63)/64) }

func (b bitset) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// full gives the set of all n places.
func full(n int) bitset {
	b := newBits(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	if n%64 != 0 {
		b[len(b)-1] = 1<<(n%64) - 1
	}
	return b
}

func (b bitset) and(c bitset) bitset {
	out := make(bitset, len(b))
	for i := range b {
		out[i] = b[i] & c[i]
	}
	return out
}

func (b bitset) or(c bitset) bitset {
	out := make(bitset, len(b))
	for i := range b {
		out[i] = b[i] | c[i]
	}
	return out
}

func (b bitset) minus(c bitset) bitset {
	out := make(bitset, len(b))
	for i := range b {
		out[i] = b[i] &^ c[i]
	}
	return out
}

func (b bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// narrow gives the documents that may be what was asked for, and those of them
// that may have the words in their content one after another as they were
// typed.
func (s *run) narrow(ctx context.Context, refs []docstore.DocumentRef) (may, joined bitset, err error) {
	n := narrowing{run: s, ctx: ctx, refs: refs, ids: make([]mailstore.MessageID, len(refs))}
	for i, r := range refs {
		n.ids[i] = mailstore.MessageID(r.Message)
	}
	may = n.of(s.root, n.word)
	if n.err == nil {
		may, n.err = s.byConditions(ctx, refs, may)
	}
	joined = newBits(len(refs))
	if typed := runs(s.root); n.err == nil && len(typed) > 0 || n.several(s.root) {
		joined = n.of(s.root, n.joined)
		for _, words := range typed {
			joined = joined.and(n.holders(mailstore.Phrase{Words: words}, true))
		}
	}
	return may, joined, n.err
}

// byConditions leaves only those that meet the conditions, and that would be on
// the page in its order, when these are few.
func (s *run) byConditions(ctx context.Context, refs []docstore.DocumentRef, may bitset) (bitset, error) {
	if may.count() <= chunk {
		return may, nil
	}
	var bound *docstore.Document
	if n := s.want(); s.req.Sort != docstore.SortRank && len(s.hits) >= n {
		slices.SortStableFunc(s.hits, s.compare)
		bound = &s.hits[n-1].cand.Document
	}
	few := newBits(len(refs))
	err := s.db.View(ctx, func(r sqldb.Reader) error {
		ids, ok, err := s.x.FewIDs(ctx, r, fewByCond, s.req.Sort, bound)
		if !ok {
			few = may
			return err
		}
		for _, id := range ids {
			if i, found := place(refs, id); found {
				few.set(i)
			}
		}
		return err
	})
	return may.and(few), err
}

func place(refs []docstore.DocumentRef, id docstore.DocumentID) (int, bool) {
	return slices.BinarySearchFunc(refs, id, func(r docstore.DocumentRef, id docstore.DocumentID) int {
		return cmp.Compare(r.Document, id)
	})
}

// narrowing is one narrow under way.
type narrowing struct {
	*run
	ctx  context.Context //nolint:containedctx // lives as long as one call
	refs []docstore.DocumentRef
	ids  []mailstore.MessageID
	err  error
}

// of gives a set that holds all documents for which n is true.
func (n *narrowing) of(q query.Node, text func(*query.Text) bitset) bitset {
	switch q := q.(type) {
	case query.And:
		out := full(len(n.refs))
		for _, c := range q {
			out = out.and(n.of(c, text))
		}
		return out
	case query.Or:
		out := newBits(len(n.refs))
		for _, c := range q {
			out = out.or(n.of(c, text))
		}
		return out
	case *query.Text:
		return text(q)
	}
	return full(len(n.refs))
}

// word gives those that may have the words in a column or in the content.
func (n *narrowing) word(t *query.Text) bitset {
	out := newBits(len(n.refs))
	if t.Scope.HasContent() {
		out = n.holders(mailstore.Phrase{Words: t.Words, Prefix: t.Prefix}, false)
	}
	if !t.Scope.HasColumns() || n.err != nil {
		return out
	}
	n.err = n.db.View(n.ctx, func(r sqldb.Reader) error {
		ids, err := docstore.WithWords(n.ctx, r, t, manyWords+1)
		if len(ids) > manyWords {
			out = full(len(n.refs))
			return err
		}
		for _, id := range ids {
			if i, ok := place(n.refs, id); ok {
				out.set(i)
			}
		}
		return err
	})
	return out
}

// joined gives those that may have several words one after another.
func (n *narrowing) joined(t *query.Text) bitset {
	if len(t.Words) < 2 || !t.Scope.HasContent() {
		return full(len(n.refs))
	}
	return n.holders(mailstore.Phrase{Words: t.Words}, true)
}

func (n *narrowing) several(q query.Node) (several bool) {
	query.Texts(q, func(t *query.Text, wanted bool) {
		several = several || wanted && len(t.Words) > 1 && t.Scope.HasContent()
	})
	return several
}

func (n *narrowing) holders(p mailstore.Phrase, joined bool) bitset {
	out := newBits(len(n.refs))
	if n.err != nil {
		return out
	}
	var list []bool
	list, n.err = n.boxes.MayHold(n.ctx, n.ids, p, joined)
	for i, may := range list {
		if may {
			out.set(i)
		}
	}
	return out
}

// runs gives the words that were typed one after another without quotes.
func runs(q query.Node) (out [][]string) {
	and, ok := q.(query.And)
	if !ok {
		return nil
	}
	var words []string
	parts := 0
	end := func() {
		if parts > 1 {
			out = append(out, words)
		}
		words, parts = nil, 0
	}
	for _, c := range and {
		t, ok := c.(*query.Text)
		if !ok || t.Scope != query.ScopeAll || t.Quoted || t.Prefix {
			end()
			out = append(out, runs(c)...)
			continue
		}
		words = append(words, t.Words...)
		parts++
	}
	end()
	return out
}
