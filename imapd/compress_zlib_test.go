package imapd

import (
	"bufio"
	"compress/flate"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Streams as clients' zlib makes them (R18): partial, sync and full flushes, stored blocks, fixed and dynamic codes, flushes in the middle of
// commands and literals. Every segment is sent alone; after the last one of a command its answer must come without another octet.
func TestCompressAsClientsDo(t *testing.T) {
	text, err := os.ReadFile("testdata/deflate.json") // made by zlib itself
	check(t, err)
	var fixtures struct {
		Streams []struct {
			Name     string
			Segments [][]byte
		}
	}
	check(t, json.Unmarshal(text, &fixtures))
	if len(fixtures.Streams) < 15 {
		t.Fatalf("%d streams", len(fixtures.Streams))
	}
	for _, stream := range fixtures.Streams {
		t.Run(stream.Name, func(t *testing.T) {
			w := plain(t)
			c := w.login("canbo")
			c.ok("COMPRESS DEFLATE")
			raw := c.c
			c.r = bufio.NewReader(flate.NewReader(raw))
			var got []string
			hear := func(until string) {
				for len(got) == 0 || !strings.HasPrefix(got[len(got)-1], until) {
					s := c.line()
					if s == "" {
						t.Fatalf("closed after %q", got)
					}
					got = append(got, s)
				}
			}
			waits := []string{"a OK NOOP", "b OK [APPENDUID", "c OK [READ-WRITE]", "d OK FETCH", "e OK LOGOUT"}
			for _, segment := range stream.Segments {
				_, err := raw.Write(segment)
				check(t, err)
				if len(stream.Segments) == len(waits) { // one command each
					hear(waits[0])
					waits = waits[1:]
				}
			}
			hear("e OK LOGOUT")
			all := strings.Join(got, "\n")
			for _, want := range []string{"a OK NOOP", "b OK [APPENDUID", "* 1 EXISTS", "c OK [READ-WRITE]", "* 1 FETCH (FLAGS ())", "d OK FETCH", "e OK LOGOUT"} {
				if strings.Count(all, want) != 1 {
					t.Errorf("%q comes %d times in\n%s", want, strings.Count(all, want), all)
				}
			}
			if strings.Contains(all, " BAD ") {
				t.Errorf("got\n%s", all)
			}
		})
	}
}
