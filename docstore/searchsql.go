package docstore

import (
	"slices"
	"strings"

	"vanthu/docstore/query"
	"vanthu/internal/directory"
	"vanthu/internal/sqldb"
)

// byDocument behind a column keeps its own index out: the dispatches of one
// document are few, those of a unit or with a number may be very many.
const byDocument = ` + 0`

// nobody and everybody are conditions that are always false and true.
const (
	nobody    = `1 = 0`
	everybody = `1 = 1`
)

// visible gives the condition that the viewer may find a document.
func (x *Search) visible(b *sqlText) string {
	if x.viewer.All || x.viewer.AllFields {
		return everybody
	}
	return party(b, slices.Concat(x.viewer.Units, x.viewer.FieldUnits), "")
}

// wholly gives the condition that the viewer may see its content: not that of
// a document which was taken back from the unit or is held from it.
func (x *Search) wholly(b *sqlText) string {
	if x.viewer.All {
		return everybody
	}
	return party(b, x.viewer.Units, ` AND state NOT IN ('recalled', 'quarantined')`)
}

// party gives the condition that one of the units sent or received it, by a
// dispatch for which more holds.
func party(b *sqlText, units []directory.UnitID, more string) string {
	if len(units) == 0 {
		return nobody
	}
	from := `d.id IN (SELECT document_id FROM dispatch WHERE to_unit`
	if b.few {
		from = `EXISTS (SELECT 1 FROM dispatch WHERE document_id = d.id AND to_unit` + byDocument
	}
	return `(d.issuer_unit IN (` + list(b, units) + `) OR ` + from + ` IN (` + list(b, units) + `)` + more + `))`
}

func list[T ~int64](b *sqlText, ids []T) string {
	places := make([]string, len(ids))
	for i, id := range ids {
		places[i] = b.value(int64(id))
	}
	return strings.Join(places, ", ")
}

// condition gives what n, which has no words, says in SQL.
func (x *Search) condition(n query.Node) condition {
	switch n := n.(type) {
	case query.And:
		return func(b *sqlText) string {
			var all []string
			var ofOne []*query.Cond
			for _, c := range n {
				if c, ok := c.(*query.Cond); ok && c.Field.OfRecipient() {
					ofOne = append(ofOne, c)
					continue
				}
				all = append(all, x.condition(c)(b))
			}
			if len(ofOne) > 0 {
				all = append(all, x.recipient(b, ofOne))
			}
			if len(all) == 0 {
				return everybody
			}
			return `(` + strings.Join(all, ` AND `) + `)`
		}
	case query.Or:
		return func(b *sqlText) string {
			all := make([]string, len(n))
			for i, c := range n {
				all[i] = x.condition(c)(b)
			}
			return `(` + strings.Join(all, ` OR `) + `)`
		}
	case query.Not:
		return func(b *sqlText) string { return `NOT (` + x.condition(n.Node)(b) + `)` }
	case *query.Cond:
		if n.Field.OfRecipient() {
			return func(b *sqlText) string { return x.recipient(b, []*query.Cond{n}) }
		}
		return func(b *sqlText) string { return documentCond(b, n) }
	}
	return func(*sqlText) string { return nobody }
}

// documentCond is a condition about a document d.
func documentCond(b *sqlText, c *query.Cond) string {
	switch c.Field {
	case query.FieldNumber:
		return `(d.number > 0 AND ` + between(b, "d.number", c) + `)`
	case query.FieldYear:
		return between(b, "d.year", c)
	case query.FieldUrgency:
		return between(b, "d.urgency", c)
	case query.FieldIssued:
		return within(b, "d.issued_us", c)
	case query.FieldAccepted:
		return within(b, "d.created_us", c)
	case query.FieldIssuer:
		if len(c.Units) > 0 {
			return `d.issuer_unit IN (` + list(b, c.Units) + `)`
		}
	}
	return nobody
}

// recipient is the condition that one dispatch x of the document meets all of
// the conditions. Who received a document learns nothing of how it fares with
// others; that is for the issuer.
func (x *Search) recipient(b *sqlText, conds []*query.Cond) string {
	byIndex := x.viewer.All || x.viewer.AllFields
	var all []string
	driven := false
	for _, c := range conds {
		driven = driven || c.Field == query.FieldTo || c.Field == query.FieldArrival
	}
	byIndex = byIndex && driven && !b.few
	begin, over := `EXISTS (SELECT 1 FROM dispatch x WHERE x.document_id = d.id`, byDocument
	if byIndex {
		begin, over = `d.id IN (SELECT x.document_id FROM dispatch x WHERE 1 = 1`, ``
	}
	for _, c := range conds {
		all = append(all, dispatchCond(b, c, over))
	}
	if !x.viewer.All && !x.viewer.AllFields {
		units := slices.Concat(x.viewer.Units, x.viewer.FieldUnits)
		if len(units) == 0 {
			return nobody
		}
		all = append(all, `(x.to_unit IN (`+list(b, units)+`) OR d.issuer_unit IN (`+list(b, units)+`))`)
	}
	return begin + ` AND ` + strings.Join(all, ` AND `) + `)`
}

// dispatchCond is a condition about a dispatch x; over stands behind columns
// that have an index of their own.
func dispatchCond(b *sqlText, c *query.Cond, over string) string {
	switch c.Field {
	case query.FieldTo:
		if len(c.Units) > 0 {
			return `x.to_unit` + over + ` IN (` + list(b, c.Units) + `)`
		}
		return `x.to_address = ` + b.value(c.Name)
	case query.FieldState:
		return `x.state = ` + b.value(c.Name)
	case query.FieldKind:
		return `x.kind = ` + b.value(c.Name)
	case query.FieldArrival:
		return `(x.arrival_number <> 0 AND ` + between(b, "x.arrival_number"+over, c) + `)`
	case query.FieldArrived:
		return within(b, "x.arrived_us", c)
	case query.FieldDue:
		return within(b, "x.due_us", c)
	}
	return nobody
}

// between bounds a number by both ends.
func between(b *sqlText, column string, c *query.Cond) string {
	if c.From == c.To {
		return column + ` = ` + b.value(c.From)
	}
	return column + ` >= ` + b.value(c.From) + ` AND ` + column + ` <= ` + b.value(c.To)
}

// within bounds a time; one that is not known is in no period.
func within(b *sqlText, column string, c *query.Cond) string {
	s := `(` + column + ` <> 0`
	if !c.Begin.IsZero() {
		s += ` AND ` + column + ` >= ` + b.value(sqldb.Micros(c.Begin))
	}
	if !c.End.IsZero() {
		s += ` AND ` + column + ` < ` + b.value(sqldb.Micros(c.End))
	}
	return s + `)`
}
