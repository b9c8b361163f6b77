package docstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/sqldb"
)

// Mode says who gives the numbers of what a unit sends.
type Mode string

// The modes.
const (
	// ModeRecorded: numbers are given elsewhere, in a paper book or another
	// system; a document is entered under the number that it bears.
	ModeRecorded Mode = "recorded"
	// ModeManaged: this server gives the numbers of electronic and paper
	// documents alike, each once and without a gap. NĐ 30/2020, article 15.
	ModeManaged Mode = "managed"
)

// Series names one run of numbers of a unit and year.
type Series string

// SeriesDefault is the one series that documents share for which the scheme
// knows no other, and all incoming documents. NĐ 30/2020, articles 15 and 22.
const SeriesDefault Series = "default"

// A Scheme says which documents of a unit share a series. Legal norms have one
// for each type in any scheme, since their codes carry the year; the rest is
// set by the head of the agency. NĐ 30/2020, article 15.
type Scheme struct {
	PerType bool       `json:"per_type,omitempty"` // a series for every type that is in no group
	Groups  [][]string `json:"groups,omitempty"`   // abbreviations of types that share one: {"QĐ", "CT"}; "CV" is Công văn
	Bodies  []string   `json:"bodies,omitempty"`   // advisory bodies that issue under their own name: "HĐKT"
}

// Numbering is how a unit numbers what it sends.
type Numbering struct {
	Unit   directory.UnitID `json:"unit"`
	Mode   Mode             `json:"mode"`
	Scheme Scheme           `json:"scheme"`
}

// maxSeries bounds the groups and bodies of a scheme.
const maxSeries = 100

// abbrOfficialLetter stands for Công văn, whose symbols name no type.
const abbrOfficialLetter = "CV"

// Series gives the series that a document belongs to.
func (s Scheme) Series(c edoc.Code) Series {
	t := edoc.TypeForCode(c)
	if c.Year != 0 {
		if t.Abbr == "" {
			t.Abbr = "khác"
		}
		return Series("QPPL:" + t.Abbr)
	}
	abbr := typeAbbr(t)
	for _, body := range s.Bodies {
		if c.NamesAgency(body) {
			return Series("body:" + body)
		}
	}
	for _, g := range s.Groups {
		if slices.ContainsFunc(g, func(t string) bool { return edoc.Fold(t) == edoc.Fold(abbr) }) {
			return Series("type:" + strings.Join(g, "+"))
		}
	}
	if s.PerType {
		return Series("type:" + abbr)
	}
	return SeriesDefault
}

func typeAbbr(t edoc.DocType) string {
	if t.Abbr == "" {
		return abbrOfficialLetter
	}
	return t.Abbr
}

// Name gives the Vietnamese name of the series, as headings use it.
func (s Series) Name() string {
	kind, rest, _ := strings.Cut(string(s), ":")
	switch kind {
	case "QPPL":
		return "văn bản quy phạm pháp luật, loại " + rest
	case "type":
		return "loại " + strings.ReplaceAll(rest, "+", ", ")
	case "body":
		return "văn bản của " + rest
	}
	return "chung"
}

// NumberingOf gives how a unit numbers what it sends; numbers are given
// elsewhere, in one series, unless it was said otherwise.
func NumberingOf(ctx context.Context, r sqldb.Reader, unit directory.UnitID) (Numbering, error) {
	n := Numbering{Unit: unit, Mode: ModeRecorded}
	var scheme string
	err := r.QueryRow(ctx, qNumbering, int64(unit)).Scan(&n.Mode, &scheme)
	if sqldb.NoRows(err) {
		return n, nil
	}
	if err != nil {
		return n, fmt.Errorf("read the numbering of a unit: %w", err)
	}
	if err := json.Unmarshal([]byte(scheme), &n.Scheme); err != nil {
		return n, fmt.Errorf("decode the numbering of unit %d: %w", unit, err)
	}
	return n, nil
}

// SetNumbering changes how a unit numbers what it sends from now on. Numbers
// that were given stay as they are. It fails with fault.Invalid.
func (s *Store) SetNumbering(ctx context.Context, tx *sqldb.Tx, actor journal.Actor, n Numbering) error {
	if n.Mode != ModeRecorded && n.Mode != ModeManaged {
		return fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("the mode of numbering is %q or %q", ModeRecorded, ModeManaged),
			VI: fmt.Sprintf("chế độ cấp số là %q (ghi số) hoặc %q (hệ thống cấp số)", ModeRecorded, ModeManaged),
		})
	}
	if err := n.Scheme.check(); err != nil {
		return err
	}
	before, err := NumberingOf(ctx, tx, n.Unit)
	if err != nil {
		return err
	}
	scheme, err := json.Marshal(n.Scheme)
	if err != nil {
		return fmt.Errorf("encode a numbering scheme: %w", err)
	}
	now := s.time()
	if _, err := tx.Exec(ctx, qSetNumbering, int64(n.Unit), string(n.Mode), string(scheme), sqldb.Micros(now)); err != nil {
		return fmt.Errorf("record the numbering of a unit: %w", err)
	}
	if n.Mode == ModeRecorded && before.Mode == ModeManaged { // gaps are allowed again
		if _, err := tx.Exec(ctx, qUnmanage, int64(n.Unit), string(DirectionOut)); err != nil {
			return fmt.Errorf("record the numbering of a unit: %w", err)
		}
	}
	if _, err := journal.Append(ctx, tx, journal.Event{
		At: now, Type: "numbering.set", Actor: actor, Unit: int64(n.Unit), Data: n,
	}); err != nil {
		return errJournal(err)
	}
	return nil
}

func (s Scheme) check() error {
	bad := func(en, vi string) error { return fault.New(fault.Invalid, fault.Text{EN: en, VI: vi}) }
	if len(s.Groups)+len(s.Bodies) > maxSeries {
		return bad("a scheme has too many series", "cách chia sổ có quá nhiều dãy số")
	}
	seen := map[string]bool{}
	for _, g := range s.Groups {
		if len(g) == 0 {
			return bad("a group of types is empty", "nhóm loại văn bản không có loại nào")
		}
		for _, abbr := range g {
			t, ok := edoc.TypeForName(abbr)
			if !ok || typeAbbr(t) != abbr {
				return bad(fmt.Sprintf("%q is no abbreviation of a document type such as QĐ, TB or CV", abbr),
					fmt.Sprintf("%q không phải viết tắt tên loại văn bản (ví dụ QĐ, TB, CV)", abbr))
			}
			if seen[abbr] {
				return bad("the type "+abbr+" is in two groups", "loại "+abbr+" thuộc hai nhóm")
			}
			seen[abbr] = true
		}
	}
	for _, b := range s.Bodies {
		if c, err := edoc.ParseCode("1/X-" + b); err != nil || c.Symbol != "X-"+b {
			return bad(fmt.Sprintf("%q cannot stand in a symbol", b), fmt.Sprintf("%q không dùng được trong ký hiệu", b))
		}
	}
	return nil
}

const (
	qNumbering    = `SELECT mode, scheme FROM numbering WHERE unit_id = $1`
	qSetNumbering = `
INSERT INTO numbering (unit_id, mode, scheme, changed_us) VALUES ($1, $2, $3, $4)
ON CONFLICT (unit_id) DO UPDATE SET mode = excluded.mode, scheme = excluded.scheme, changed_us = excluded.changed_us`
	qUnmanage = `UPDATE register_book SET managed_from = 0 WHERE unit_id = $1 AND direction = $2`
)
