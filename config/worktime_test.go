package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWorktime(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"2026.txt": "2026-02-16..2026-02-20 nghỉ Tết Nguyên đán\n", "2027.txt": "2027-01-01 nghỉ\n",
		"other.txt": "2026-02-16 làm bù\n", "bad.txt": "2026-02-16 nghỉ\nTết\n16/2/2026 nghỉ\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, keys string
		wrong      []string // what the problems say
	}{
		{"default", "", nil},
		{"two years", `holidays = ["2026.txt", "2027.txt"]`, nil},
		{"Saturdays, no digest", `hours = ["mon-fri 07:30-11:30 13:30-17:00", "sat 07:30-11:30"]` + "\ndigest = \"off\"", nil},
		{"bad file", `holidays = ["bad.txt"]`, []string{"bad.txt: line 2", "bad.txt: line 3"}},
		{"no file", `holidays = ["2028.txt"]`, []string{"cannot be read"}},
		{"contradiction", `holidays = ["2026.txt", "other.txt"]`, []string{"another meaning"}},
		{"bad hours and clock", "hours = [\"t2\"]\ndigest = \"7h30\"", []string{"write days and hours", "no time of day"}},
		{"expiry before warning", `news_expiry = "6h"`, []string{"is not more than 12h"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := fmt.Sprintf("data_dir = %q\ndomains = [\"tinh.example\"]\n[documents]\n%s\n", dir, tt.keys)
			c, err := Parse(filepath.Join(dir, "vanthu.toml"), []byte(text), nil)
			var problems Problems
			errors.As(err, &problems)
			if len(problems) != len(tt.wrong) {
				t.Fatalf("problems %v, want %d", err, len(tt.wrong))
			}
			for i, w := range tt.wrong {
				if !strings.Contains(problems[i].Text, w) {
					t.Errorf("problem %q, want one with %q", problems[i].Text, w)
				}
			}
			if err != nil {
				return
			}
			if _, err := c.Documents.Calendar(); err != nil {
				t.Error(err)
			}
		})
	}
	c, err := Parse(filepath.Join(dir, "vanthu.toml"), []byte(fmt.Sprintf("data_dir = %q\ndomains = [\"tinh.example\"]\n[documents]\nholidays = [\"2026.txt\"]\n", dir)), nil)
	if err != nil {
		t.Fatal(err)
	}
	cal, err := c.Documents.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	tet := time.Date(2026, 2, 13, 9, 0, 0, 0, time.FixedZone("", 7*3600))
	if got, want := cal.AddDays(tet, 1), tet.AddDate(0, 0, 10).Add(8*time.Hour); !got.Equal(want) {
		t.Errorf("a working day after %v is %v, want %v", tet, got, want)
	}
}
