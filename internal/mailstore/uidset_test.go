package mailstore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMakeUIDSet(t *testing.T) {
	const top = ^UID(0)
	tests := []struct {
		name string
		in   []UIDRange
		want string
		n    int64
	}{
		{"empty", nil, "[]", 0},
		{"touching ranges join", []UIDRange{{1, 3}, {4, 5}, {7, 7}}, "[{1 5} {7 7}]", 6},
		{"order and overlap", []UIDRange{{9, 9}, {5, 2}, {4, 6}}, "[{2 6} {9 9}]", 6},
		{"one inside the other", []UIDRange{{1, 10}, {3, 4}, {11, 11}}, "[{1 11}]", 11},
		{"zero is no UID", []UIDRange{{0, 0}, {0, 2}}, "[{1 2}]", 2},
		{"up to the last UID", []UIDRange{{5, top}, {top, top}, {1, 1}}, fmt.Sprintf("[{1 1} {5 %d}]", top), int64(top) - 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := MakeUIDSet(tt.in...)
			if fmt.Sprint(got) != tt.want || got.Len() != tt.n {
				t.Errorf("MakeUIDSet = %v with %d UIDs, want %s with %d", got, got.Len(), tt.want, tt.n)
			}
		})
	}
}

func TestUIDSetAgainstMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		have := map[UID]bool{}
		var list []UID
		for range rnd.IntN(40) {
			u := UID(1 + rnd.IntN(60))
			have[u] = true
			list = append(list, u)
		}
		set := UIDs(list...)
		for u := range UID(64) {
			if got := set.Contains(u); got != have[u] {
				t.Fatalf("%v contains %d = %v, want %v", set, u, got, have[u])
			}
		}
		all := slices.Collect(set.All())
		if len(all) != len(have) || int64(len(all)) != set.Len() || !slices.IsSorted(all) {
			t.Fatalf("%v gives %v, want %d UIDs in order", set, all, len(have))
		}
	}
	if !AllUIDs().Contains(^UID(0)) || AllUIDs().Contains(0) {
		t.Error("AllUIDs has wrong ends")
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"INBOX", "inbox/a", "Văn bản đến/2 Đã vào sổ", "a/", "/", "\x00", "Du\u031b\u0323", "ＩＮＢＯＸ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := Name(s)
		if err != nil {
			return
		}
		again, err := Name(name)
		if err != nil || again != name {
			t.Errorf("Name(%q) = %q, and of that %q, %v: want the same", s, name, again, err)
		}
		if len(name) > MaxName || len(parents(name)) >= MaxDepth {
			t.Errorf("Name(%q) = %q is beyond the limits", s, name)
		}
	})
}

func FuzzValidKeyword(f *testing.F) {
	for _, s := range []string{"$Forwarded", "a b", "\\Seen", "", "a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, k string) {
		if !ValidKeyword(k) {
			return
		}
		for _, c := range []byte(k) {
			if c <= 0x20 || c >= 0x7f || slices.Contains([]byte(`(){%*"\]`), c) {
				t.Errorf("%q has %q, which no atom has", k, c)
			}
		}
	})
}
