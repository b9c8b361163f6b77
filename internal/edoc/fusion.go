package edoc

import (
	"strings"
	"time"

	"vanthu/internal/fault"
)

// A Source is where a value was found.
type Source string

const (
	SourceEdXML    Source = "edxml"
	SourceHeader   Source = "x-vb"
	SourceAddress  Source = "address" // a sub-address such as +vb
	SourceSubject  Source = "subject"
	SourceFileName Source = "file_name"
	SourceText     Source = "text"     // of an attached file, in the form of the law
	SourceProperty Source = "property" // what an attached file says of itself
	SourceDerived  Source = "derived"  // computed from another field
)

// plainSubject is the weight of a subject that has neither tag nor "V/v": it
// is what a person wrote to a person.
const plainSubject = 0.45

// strong is the weight from which a source must not be overruled in silence.
const strong = 0.8

// weight is how far a source is believed, 0 to 1.
func (s Source) weight() float64 {
	switch s {
	case SourceEdXML:
		return 1
	case SourceHeader, SourceAddress:
		return 0.95
	case SourceSubject:
		return 0.90
	case SourceText:
		return 0.80
	case SourceProperty:
		return 0.70
	case SourceDerived:
		return 0.60
	case SourceFileName:
		return 0.55
	}
	return 0
}

// A claim is what one source says about a field. Claims with equal keys agree.
type claim[T any] struct {
	source Source
	weight float64
	value  T
	key    string
	raw    string
}

// claims gathers what every source says about one message. A source adds to it
// by one method; fuse decides.
type claims struct {
	code     []claim[Code]
	docID    []claim[string]
	docType  []claim[DocType]
	abstract []claim[string]
	issued   []claim[time.Time]
	urgency  []claim[Urgency]
	due      []claim[time.Time]
	op       []claim[Op]
	signer   []claim[Signer]
	ops      []OpRef
	fyi      []string
}

func (c *claims) addCode(s Source, v Code, raw string) {
	key := v.Key()
	c.code = append(c.code, claim[Code]{s, s.weight(), v, key, raw})
}

func (c *claims) addDocID(s Source, id string) {
	if id != "" {
		c.docID = append(c.docID, claim[string]{s, s.weight(), id, id, id})
	}
}

func (c *claims) addType(s Source, weight float64, t DocType, raw string) {
	if t.Name != "" {
		c.docType = append(c.docType, claim[DocType]{s, weight, t, Fold(t.Name), raw})
	}
}

func (c *claims) addAbstract(s Source, weight float64, raw string) {
	if text := trimAbout(oneLine(raw)); text != "" {
		key := strings.Trim(strings.ReplaceAll(Fold(text), " ", ""), ".;,")
		c.abstract = append(c.abstract, claim[string]{s, weight, text, key, raw})
	}
}

func (c *claims) addIssued(s Source, t time.Time, raw string) {
	if !t.IsZero() {
		c.issued = append(c.issued, claim[time.Time]{s, s.weight(), t, edxmlDay(t), raw})
	}
}

// addDue compares days only: an edXML date and a tag with an hour agree.
func (c *claims) addDue(s Source, t time.Time, raw string) {
	if !t.IsZero() {
		c.due = append(c.due, claim[time.Time]{s, s.weight(), t, edxmlDay(t), raw})
	}
}

func (c *claims) addUrgency(s Source, u Urgency) {
	c.urgency = append(c.urgency, claim[Urgency]{s, s.weight(), u, u.Name(), u.Name()})
}

func (c *claims) addSigner(s Source, weight float64, who Signer) {
	if who.FullName != "" {
		c.signer = append(c.signer, claim[Signer]{s, weight, who, Fold(who.FullName), who.FullName})
	}
}

func (c *claims) addOp(s Source, op Op) {
	c.op = append(c.op, claim[Op]{s, s.weight(), op, op.String(), op.String()})
}

// fuse sets a field of r to the value that most weight stands behind, with its
// evidence. Sources that agree combine as 1-Π(1-w). The strongest source of
// the winning side gives the way of writing.
func fuse[T any](r *Recognition, field Field, dst *T, all []claim[T]) {
	if len(all) == 0 {
		return
	}
	best, bestScore := 0, -1.0
	for i := range all {
		doubt := 1.0
		for j := range all {
			if all[j].key == all[i].key {
				doubt *= 1 - all[j].weight
			}
		}
		score := 1 - doubt
		if score > bestScore || score == bestScore && all[i].weight > all[best].weight {
			best, bestScore = i, score
		}
	}
	won := all[best]
	*dst = won.value
	ev := Evidence{Source: won.source, Confidence: bestScore, Raw: won.raw}
	for _, c := range all {
		if c.key == won.key {
			continue
		}
		ev.Others = append(ev.Others, Claim{c.source, c.raw})
		if c.weight >= strong && won.weight >= strong && !ev.Conflict {
			ev.Conflict = true
			r.Problems = append(r.Problems, Problem{CodeConflict + "." + string(field), fault.Text{
				EN: "sources disagree on " + string(field) + ": " + quote(won.raw) + " and " + quote(c.raw),
				VI: "Các nguồn không thống nhất về " + field.label() + ": " + quote(won.raw) + " và " + quote(c.raw),
			}})
		}
	}
	if r.Evidence == nil {
		r.Evidence = make(map[Field]Evidence, 8)
	}
	r.Evidence[field] = ev
}

// quote puts s in quotation marks, shortened for a sentence.
func quote(s string) string {
	const most = 80
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return "“" + s + "”"
}
