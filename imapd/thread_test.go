package imapd

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vanthu/internal/mailstore"
)

// letter is a message to be threaded.
type letter struct {
	seq     int
	id      uint64
	refs    []uint64
	subject string
	reply   bool
	sent    int64
}

func forestOf(list []letter) *forest {
	hits := make([]target, len(list))
	ds := make([]*digest, len(list))
	for i, m := range list {
		hits[i] = target{seq: m.seq, row: mailstore.Row{UID: mailstore.UID(m.seq)}}
		d := &digest{text: m.subject, sent: m.sent, reply: m.reply, id: m.id, refs: m.refs}
		for k := range d.ends {
			d.ends[k] = uint32(len(m.subject))
		}
		ds[i] = d
	}
	return newForest(hits, ds)
}

func threads(list []letter, how threading) string {
	f := forestOf(list)
	f.thread(how)
	var out []byte
	for _, n := range f.top {
		out = f.append(out, n, &searchRequest{})
	}
	return string(out)
}

// plainNode, and what follows, is RFC 5256's REFERENCES told as the RFC tells it, without a thought for speed.
type plainNode struct {
	m      *letter // nil for a dummy
	parent *plainNode
	kids   []*plainNode
}

func (n *plainNode) has(o *plainNode) bool {
	return n == o || slices.ContainsFunc(n.kids, func(k *plainNode) bool { return k.has(o) })
}

func (n *plainNode) leave() {
	if p := n.parent; p != nil {
		p.kids = slices.DeleteFunc(p.kids, func(k *plainNode) bool { return k == n })
		n.parent = nil
	}
}

func (n *plainNode) join(p *plainNode) {
	n.leave()
	n.parent = p
	p.kids = append(p.kids, n)
}

func (n *plainNode) first() *letter {
	if n.m != nil {
		return n.m
	}
	n.sort()
	return n.kids[0].first()
}

func (n *plainNode) sort() {
	for _, k := range n.kids {
		k.sort()
	}
	slices.SortStableFunc(n.kids, func(a, b *plainNode) int {
		x, y := a.first(), b.first()
		return cmp.Or(cmp.Compare(x.sent, y.sent), cmp.Compare(x.seq, y.seq))
	})
}

// prune gives what takes n's place.
func (n *plainNode) prune(top bool) []*plainNode {
	var kids []*plainNode
	for _, k := range n.kids {
		kids = append(kids, k.prune(false)...)
	}
	n.kids = kids
	for _, k := range kids {
		k.parent = n
	}
	if n.m == nil && (len(kids) < 2 || !top) {
		for _, k := range kids {
			k.parent = nil
		}
		return kids
	}
	return []*plainNode{n}
}

func (n *plainNode) write(b *strings.Builder) {
	sep := ""
	if n.m != nil {
		b.WriteString(strconv.Itoa(n.m.seq))
		sep = " "
	}
	switch len(n.kids) {
	case 0:
	case 1:
		b.WriteString(sep)
		n.kids[0].write(b)
	default:
		b.WriteString(sep)
		for _, k := range n.kids {
			b.WriteString("(")
			k.write(b)
			b.WriteString(")")
		}
	}
}

func plainReferences(list []letter, gather bool) string {
	byID := map[uint64]*plainNode{}
	own := make([]*plainNode, len(list))
	var all []*plainNode
	for i := range list {
		own[i] = &plainNode{m: &list[i]}
		all = append(all, own[i])
		if id := list[i].id; id != 0 && byID[id] == nil {
			byID[id] = own[i]
		}
	}
	for i := range list {
		var up *plainNode
		for _, id := range list[i].refs {
			n := byID[id]
			if n == nil {
				n = &plainNode{}
				byID[id] = n
				all = append(all, n)
			}
			if up != nil && n.parent == nil && !n.has(up) {
				n.join(up)
			}
			up = n
		}
		own[i].leave()
		if up != nil && !own[i].has(up) {
			own[i].join(up)
		}
	}
	root := &plainNode{}
	for _, n := range all {
		if n.parent == nil {
			for _, k := range n.prune(true) {
				root.kids = append(root.kids, k)
				k.parent = root
			}
		}
	}
	root.sort()
	if gather {
		plainGather(root)
		root.sort()
	}
	var b strings.Builder
	for _, k := range root.kids {
		b.WriteString("(")
		k.write(&b)
		b.WriteString(")")
	}
	return b.String()
}

func plainGather(root *plainNode) {
	reply := func(n *plainNode) bool { return n.m != nil && n.m.reply }
	table := map[string]*plainNode{}
	for _, n := range root.kids {
		s := n.first().subject
		if have := table[s]; s != "" && (have == nil || have.m != nil && (n.m == nil || reply(have) && !reply(n))) {
			table[s] = n
		}
	}
	for _, n := range slices.Clone(root.kids) {
		if n.m == nil && len(n.kids) == 0 {
			continue
		}
		s := n.first().subject
		have := table[s]
		switch {
		case s == "" || have == n:
		case have.m == nil && n.m == nil:
			for _, k := range slices.Clone(n.kids) {
				k.join(have)
			}
			n.leave()
		case have.m == nil || reply(n) && !reply(have):
			n.join(have)
		default:
			both := &plainNode{}
			both.join(root)
			have.join(both)
			n.join(both)
			table[s] = both
		}
	}
}

// anything makes messages as strangers may write them: circles, ids twice, references to nothing.
func anything(rnd *rand.Rand, n int) []letter {
	list := make([]letter, n)
	for i := range list {
		m := letter{seq: i + 1, sent: int64(rnd.IntN(8)), id: uint64(rnd.IntN(n + 2)), reply: rnd.IntN(2) == 0}
		if s := rnd.IntN(6); s > 2 {
			m.subject = string(rune('A' + s))
		}
		for range rnd.IntN(4) {
			m.refs = append(m.refs, uint64(1+rnd.IntN(n+4)))
		}
		list[i] = m
	}
	return list
}

func TestThreadsAsTheRFCTellsThem(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 20_000 {
		list := anything(rnd, 1+rnd.IntN(9))
		if got, want := threads(list, threadReferences), plainReferences(list, true); got != want {
			t.Fatalf("round %d: %+v\n got %s\nwant %s", round, list, got, want)
		}
	}
}

func TestThreadsHoldEveryMessageOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		list := anything(rnd, 1+rnd.IntN(200))
		for how := threadOrderedSubject; how <= threadRefs; how++ {
			got := threads(list, how)
			depth := 0
			var seen []int
			for _, word := range strings.FieldsFunc(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(got), func(r rune) bool { return r == ' ' }) {
				switch word {
				case "(":
					depth++
				case ")":
					depth--
				default:
					n, err := strconv.Atoi(word)
					check(t, err)
					seen = append(seen, n)
				}
				if depth < 0 {
					t.Fatalf("brackets: %s", got)
				}
			}
			slices.Sort(seen)
			if depth != 0 || len(seen) != len(list) || len(slices.Compact(seen)) != len(list) {
				t.Fatalf("algorithm %d: %d of %d messages in %s", how, len(seen), len(list), got)
			}
			if strings.Contains(got, "()") || strings.Contains(got, "( ") || strings.Contains(got, " )") || strings.Contains(got, "((") && !strings.Contains(got, ")(") {
				t.Fatalf("syntax: %s", got)
			}
		}
	}
}

// Neither depth nor breadth, and no order of arrival, makes THREAD slow.
func TestThreadsOfStrangers(t *testing.T) {
	const n = 50_000
	chain := func(i int) letter {
		return letter{id: uint64(i + 1), refs: []uint64{uint64(i)}, sent: int64(i)}
	}
	for name, make := range map[string]func(i int) letter{
		"chain":           chain,
		"chain backwards": func(i int) letter { return chain(n - i) },
		"comb": func(i int) letter { // pairs whose reply came first, each below the end of a deep chain
			if i < n/2 {
				return chain(i)
			}
			if k := uint64(n + i/2); i%2 == 0 {
				return letter{id: k * 1000, refs: []uint64{k}}
			} else {
				return letter{id: k, refs: []uint64{n/2 - 1}}
			}
		},
		"one subject": func(i int) letter { return letter{subject: "X", reply: i%2 == 0} },
		"many roots":  func(i int) letter { return letter{refs: []uint64{uint64(i%10) + 1}, subject: "X"} },
	} {
		list := []letter{}
		for i := range n {
			m := make(i)
			m.seq = i + 1
			list = append(list, m)
		}
		began := time.Now()
		for how := threadOrderedSubject; how <= threadRefs; how++ {
			threads(list, how)
		}
		if took := time.Since(began); took > 3*time.Minute {
			t.Errorf("%s: %v", name, took)
		} else {
			t.Logf("%s: %v", name, took)
		}
	}
}
