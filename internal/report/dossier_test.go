package report

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// A document lies in two dossiers, is taken out of one of them, and the lists
// of a past day stay what they were.
func TestDossiers(t *testing.T) {
	o := spring(t)
	unit := o.units[2]
	var docs []docstore.Document
	var vx, kh docstore.Dossier
	step := func(day string, fn func(ctx context.Context, tx *sqldb.Tx) error) {
		t.Helper()
		o.now = local(day, 9)
		o.update(fn)
	}
	step("2026-05-05", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		all, err := docstore.Follow(ctx, tx, docstore.FollowFilter{To: unit.ID})
		if err != nil {
			return err
		}
		for _, f := range all {
			docs = append(docs, f.Document)
		}
		vx, err = o.docs.CreateDossier(ctx, tx, person(7), docstore.Dossier{Unit: unit.ID, Notation: "01/VX", Title: "Tiêm chủng mở rộng năm 2026", Maintenance: "10 năm"})
		if err != nil {
			return err
		}
		kh, err = o.docs.CreateDossier(ctx, tx, person(8), docstore.Dossier{Unit: unit.ID, Notation: "02/KH", Title: "Kế hoạch kiểm tra", Maintenance: "Vĩnh viễn"})
		return err
	})
	step("2026-05-06", func(ctx context.Context, tx *sqldb.Tx) error {
		for i, d := range []docstore.Document{docs[2], docs[0]} { // not in the order of their dates
			if _, err := o.docs.AddToDossier(ctx, tx, person(7), vx, d, docstore.DossierItem{Pages: i + 2, Remark: "Bản chính"}); err != nil {
				return err
			}
		}
		_, err := o.docs.AddToDossier(ctx, tx, person(7), kh, docs[0], docstore.DossierItem{})
		return err
	})
	list := func(asOf string) (string, string) {
		t.Helper()
		q := DossierQuery{Unit: unit, Parent: "UBND tỉnh", Year: 2026, AsOf: local(asOf, 24).Add(-time.Microsecond)}
		var a, b bytes.Buffer
		err := o.db.View(t.Context(), func(r sqldb.Reader) error {
			s, err := ListDossiers(t.Context(), r, q)
			if err != nil {
				return err
			}
			d, err := ListDossier(t.Context(), r, q, "01 / vx")
			return errors.Join(err, s.WriteText(&a, TextOptions{}), d.WriteText(&b, TextOptions{}))
		})
		if err != nil {
			t.Fatal(err)
		}
		return a.String(), b.String()
	}
	dossiers, documents := list("2026-05-31")
	golden(t, "report-dossier-list.txt", []byte(dossiers))
	golden(t, "report-dossier-documents.txt", []byte(documents))

	step("2026-06-01", func(ctx context.Context, tx *sqldb.Tx) (err error) {
		if err = o.docs.RemoveFromDossier(ctx, tx, person(7), vx, docs[0]); err == nil {
			vx, err = o.docs.CloseDossier(ctx, tx, person(7), vx)
		}
		return err
	})
	if a, b := list("2026-05-31"); a != dossiers || b != documents {
		t.Errorf("the lists of a past day have changed:\n%s\n%s", a, b)
	}
	if a, b := list("2026-06-01"); strings.Contains(b, docs[0].Code) || !strings.Contains(a, "05/05/2026 – 01/06/2026") {
		t.Errorf("after the document was taken out and the dossier closed:\n%s\n%s", a, b)
	}

	refused := func(name string, kind fault.Kind, fn func(ctx context.Context, tx *sqldb.Tx) error) {
		t.Helper()
		err := o.db.Update(t.Context(), func(tx *sqldb.Tx) error { return fn(t.Context(), tx) })
		if fault.KindOf(err) != kind {
			t.Errorf("%s: %v, want %v", name, err, kind)
		}
	}
	refused("into a closed one", fault.Conflict, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := o.docs.AddToDossier(ctx, tx, person(7), vx, docs[0], docstore.DossierItem{})
		return err
	})
	refused("twice into one", fault.Conflict, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := o.docs.AddToDossier(ctx, tx, person(7), kh, docs[0], docstore.DossierItem{})
		return err
	})
	refused("out of one where it is not", fault.NotFound, func(ctx context.Context, tx *sqldb.Tx) error {
		return o.docs.RemoveFromDossier(ctx, tx, person(7), kh, docs[2])
	})
	refused("of another unit", fault.Denied, func(ctx context.Context, tx *sqldb.Tx) error {
		other := kh
		other.Unit = 99
		_, err := o.docs.AddToDossier(ctx, tx, person(7), other, docs[2], docstore.DossierItem{})
		return err
	})
	for name, d := range map[string]docstore.Dossier{
		"without title": {Notation: "03"}, "without notation": {Title: "a"}, "long": {Notation: "04", Title: strings.Repeat("ạ", 501)}, "two lines": {Notation: "05", Title: "a\nb"},
	} {
		refused(name, fault.Invalid, func(ctx context.Context, tx *sqldb.Tx) error {
			d.Unit = unit.ID
			_, err := o.docs.CreateDossier(ctx, tx, person(7), d)
			return err
		})
	}
	refused("with a taken notation", fault.Conflict, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := o.docs.CreateDossier(ctx, tx, person(7), docstore.Dossier{Unit: unit.ID, Year: 2026, Notation: "01/vx", Title: "a"})
		return err
	})
}
