package app

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
)

func TestProgramParts(t *testing.T) {
	const smaps = `00400000-00403000 r--p 00000000 fe:00 12 /usr/bin/vanthu
Rss:                  12 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
00403000-01463000 r-xp 00003000 fe:00 12 /usr/bin/vanthu
Rss:               16000 kB
Anonymous:             0 kB
02423000-02426000 r--p 02020000 fe:00 12 /usr/bin/vanthu
Anonymous:            12 kB
02426000-02800000 rw-p 02023000 fe:00 12 /usr/bin/vanthu
Anonymous:             0 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:          4096 kB
7f0000000000-7f0000100000 r-xp 00000000 fe:00 99 /usr/lib/libc.so.6
Anonymous:             0 kB
`
	parts, err := programParts(bufio.NewScanner(strings.NewReader(smaps)), "/usr/bin/vanthu")
	if got, want := fmt.Sprintf("%x", parts), "[{400000 403000} {403000 1463000}]"; got != want || err != nil {
		t.Errorf("parts %s, %v; want %s", got, err, want)
	}
}

// The process goes on working without the pages, which come back when used.
func TestForgetProgram(t *testing.T) {
	for range 3 {
		if err := forgetProgram(); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(strings.Repeat("ab", 3)); got != "ababab" {
		t.Errorf("got %q", got)
	}
}
