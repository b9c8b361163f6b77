package mailstore_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vanthu/internal/mailstore"
)

func TestPreview(t *testing.T) {
	rig := open(t, mailstore.Options{InlineLimit: 4096})
	inbox := ensure(t, rig, 1)
	long := strings.Repeat("Kính gửi ", 100)
	for _, tt := range []struct{ name, msg, want string }{
		{"plain", "Subject: x\n\nKính gửi\n\n  các   cơ quan\n", "Kính gửi các cơ quan"},
		{"decomposed", "Content-Type: text/plain; charset=utf-8\n\nKi\u0301nh gu\u031b\u0309i", "Kính gửi"},
		{"quoted printable", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nK=C3=ADnh g=E1=BB=ADi", "Kính gửi"},
		{"vietnamese charset", "Content-Type: text/plain; charset=windows-1258\n\nK\xed\x6eh", "Kính"},
		{"quoted lines", "Subject: x\n\n> cũ\nĐồng ý\n> cũ\n", "Đồng ý"},
		{"html", "Content-Type: text/html\n\n<style>p{}</style><p>Gi<b>ải</b> ng&acirc;n</p><p>hai</p>", "Giải ngân hai"},
		{"alternative", "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>html\n--b\nContent-Type: text/plain\n\nplain\n--b--\n", "plain"},
		{"html alone of alternatives", "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>html\n--b--\n", "html"},
		{"attachment", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nno\n--b--\n", ""},
		{"picture", "Content-Type: image/png\n\nxx", ""},
		{"forwarded", "Content-Type: message/rfc822\n\nSubject: y\n\ntrong", "trong"},
		{"long", "Subject: x\n\n" + long, strings.TrimRight(string([]rune(long)[:200]), " ")},
		{"controls", "Subject: x\n\na\x01b\u200bc\ufeff", "ab c"},
		{"empty", "Subject: x\n\n", ""},
		{"large", "Subject: x\n\n" + long + strings.Repeat(strings.Repeat("x", 70)+"\n", 100), strings.TrimRight(string([]rune(long)[:200]), " ")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := appendMessage(t, rig.Store, inbox, []byte(strings.ReplaceAll(tt.msg, "\n", "\r\n"))); err != nil {
				t.Fatal(err)
			}
			hot, err := rig.Store.Hot(t.Context(), inbox)
			if err != nil {
				t.Fatal(err)
			}
			defer hot.Release()
			v := hot.Version()
			id := v.At(v.Len()).Message
			for _, wait := range []bool{false, true, false} { // the second time from memory
				got, told := "", false
				err = rig.Store.Previews(t.Context(), []mailstore.MessageID{id}, wait, func(_ mailstore.MessageID, text string) { got, told = text, true })
				if err != nil {
					t.Fatal(err)
				}
				if tt.name == "large" && !wait && !told {
					continue
				}
				if !told || got != tt.want || utf8.RuneCountInString(got) > mailstore.MaxPreview {
					t.Errorf("preview = %q, %v, want %q", got, told, tt.want)
				}
			}
		})
	}
}

func TestSaved(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	rig := open(t, mailstore.Options{Now: func() time.Time { return now }})
	inbox := ensure(t, rig, 1)
	for range 3 {
		if err := appendMessage(t, rig.Store, inbox, message(10)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Hour)
	}
	var got []time.Time
	err := rig.Store.Saved(t.Context(), inbox, mailstore.UIDs(2, 3, 9), func(uid mailstore.UID, at time.Time) {
		if int(uid) != len(got)+2 {
			t.Errorf("UID %d out of turn", uid)
		}
		got = append(got, at)
	})
	if err != nil || len(got) != 2 || !got[0].Equal(now.Add(-2*time.Hour)) || !got[1].Equal(now.Add(-time.Hour)) {
		t.Errorf("saved = %v, %v", got, err)
	}
}
