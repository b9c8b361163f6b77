package delivery

import (
	"testing"

	"vanthu/internal/fault"
)

func TestNumbered(t *testing.T) {
	for _, tt := range []struct{ subject, want string }{
		{"[?/QĐ-SYT] V/v nâng lương", "[12/QĐ-SYT] V/v nâng lương"},
		{"[KHẨN] [? / QĐ-SYT] V/v [?/TB-SYT]", "[KHẨN] [12/QĐ-SYT] V/v [?/TB-SYT]"},
		{"[12/QĐ-SYT] V/v nâng lương", "[12/QĐ-SYT] V/v nâng lương"},
		{"không có", "không có"},
		{"[?/QĐ", "[?/QĐ"},
		{"", ""},
	} {
		if got := numbered(tt.subject, "12/QĐ-SYT"); got != tt.want {
			t.Errorf("numbered(%q) = %q, want %q", tt.subject, got, tt.want)
		}
	}
}

func TestEditHeader(t *testing.T) {
	got, err := editHeader([]byte("From: a@b.test\r\nSubject: =?utf-8?q?x?=\r\n  more\r\nBcc: \r\nX-Mozilla-Status: 0001\r\nTo: c@d.test,\r\n e@f.test\r\nX-Subject: stays\r\n\r\n"), "[12/QD-SYT] x")
	want := "From: a@b.test\r\nSubject: [12/QD-SYT] x\r\nTo: c@d.test,\r\n e@f.test\r\nX-Subject: stays\r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("editHeader = %q, %v; want %q", got, err, want)
	}
	if _, err := editHeader([]byte("Bcc: a@b.test\r\n\r\n"), "x"); fault.KindOf(err) != fault.Denied {
		t.Errorf("a draft with Bcc: %v", err)
	}
	got, err = editHeader([]byte("Subject: a\r\n\r\n"), "[12/QĐ-SYT] Về việc một tiêu đề thật dài bằng tiếng Việt để phải gấp dòng")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := 0, 0; i < len(got); i++ {
		if line++; got[i] == '\n' {
			line = 0
		}
		if line > 100 {
			t.Fatalf("the subject is not folded: %q", got)
		}
	}
}
