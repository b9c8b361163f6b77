package docstore_test

import (
	"context"
	"strings"
	"testing"

	"vanthu/docstore"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

func TestSavedSearches(t *testing.T) {
	w := newWorld(t)
	save := func(q docstore.SavedSearch) error {
		return w.update(func(ctx context.Context, tx *sqldb.Tx) error { return w.doc.SaveSearch(ctx, tx, 7, q) })
	}
	list := func() (out []docstore.SavedSearch) {
		w.view(func(ctx context.Context, r sqldb.Reader) (err error) {
			out, err = docstore.SavedSearches(ctx, r, 7)
			return err
		})
		return out
	}
	for _, name := range []string{"", " - ", strings.Repeat("a", 61)} {
		if err := save(docstore.SavedSearch{Name: name, Query: "a"}); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("name %q: %v, want Invalid", name, err)
		}
	}
	for _, q := range []docstore.SavedSearch{
		{Name: "Quá hạn", Query: "han:<homnay", Sort: docstore.SortDue, Columns: []string{"code", "due"}}, {Name: "b", Query: "x"}, {Name: "QUA HAN", Query: "han:<homqua"},
	} {
		if err := save(q); err != nil {
			t.Fatal(err)
		}
	}
	got := list()
	if len(got) != 2 || got[0].Name != "b" || got[1].Name != "QUA HAN" || got[1].Query != "han:<homqua" || got[1].Columns != nil || !got[1].Saved.Equal(w.now) {
		t.Errorf("saved searches are %+v", got)
	}
	w.view(func(ctx context.Context, r sqldb.Reader) error {
		if q, err := docstore.SavedByName(ctx, r, 7, "quá  hạn"); err != nil || q.Name != "QUA HAN" {
			t.Errorf("SavedByName = %+v, %v", q, err)
		}
		if _, err := docstore.SavedByName(ctx, r, 8, "quá hạn"); fault.KindOf(err) != fault.NotFound || err == nil {
			t.Errorf("another account's is found: %v", err)
		}
		return nil
	})
	forget := func(name string) error {
		return w.update(func(ctx context.Context, tx *sqldb.Tx) error { return w.doc.ForgetSearch(ctx, tx, 7, name) })
	}
	if err := forget("B"); err != nil {
		t.Error(err)
	}
	wantKind(t, forget("B"), fault.NotFound)
	if got := list(); len(got) != 1 {
		t.Errorf("%d are left, want 1", len(got))
	}
}
