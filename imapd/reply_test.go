package imapd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"vanthu/internal/fault"
)

var discard = slog.New(slog.DiscardHandler)

func TestReplyFor(t *testing.T) {
	text := fault.Text{EN: "no way", VI: "Không được “làm” thế – Đúng"}
	tests := []struct {
		kind                       fault.Kind
		other, login, target, name string
	}{
		{fault.Temporary, "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE"},
		{fault.Invalid, "CANNOT", "AUTHENTICATIONFAILED", "CANNOT", "CANNOT"},
		{fault.NotFound, "NONEXISTENT", "AUTHENTICATIONFAILED", "TRYCREATE", "NONEXISTENT"},
		{fault.Conflict, "CANNOT", "UNAVAILABLE", "CANNOT", "ALREADYEXISTS"},
		{fault.Denied, "NOPERM", "AUTHENTICATIONFAILED", "NOPERM", "NOPERM"},
		{fault.Exhausted, "LIMIT", "UNAVAILABLE", "OVERQUOTA", "LIMIT"},
	}
	for _, tt := range tests {
		for at, want := range map[doing]string{doingOther: tt.other, doingLogin: tt.login, doingTarget: tt.target, doingName: tt.name} {
			for _, err := range []error{fault.New(tt.kind, text), fmt.Errorf("move: %w", fault.New(tt.kind, text)), fault.Wrap(tt.kind, io.EOF, text)} {
				got := string(replyFor(err, at, false).line("a"))
				if want := `a NO [` + want + `] Khong duoc "lam" the - Dung` + "\r\n"; got != want {
					t.Errorf("%v, %d: got %q, want %q", tt.kind, at, got, want)
				}
				if got := replyFor(err, at, true).text; got != text.VI {
					t.Errorf("wide text = %q", got)
				}
			}
		}
	}
	if last := fault.Exhausted; (last + 1).String() != fmt.Sprintf("kind %d", last+1) {
		t.Error("a kind was added to fault: add it to the table")
	}
}

// What nobody foresaw shows nothing of our insides.
func TestReplyForUnknownError(t *testing.T) {
	got := replyFor(fmt.Errorf("open /var/lib/secret: %w", io.ErrUnexpectedEOF), doingOther, false)
	if got.typ != "NO" || got.code != "UNAVAILABLE" || strings.Contains(got.text, "secret") {
		t.Errorf("got %+v", got)
	}
}

func TestReplyIsOneLine(t *testing.T) {
	st := no("CANNOT", "a\r\nb* BYE\x00")
	if got := string(st.line("x")); got != "x NO [CANNOT] a  b* BYE \r\n" {
		t.Errorf("append = %q", got)
	}
	var e *imap.Error
	if !errors.As(st.asError(), &e) || e.Text != "a  b* BYE " {
		t.Errorf("asError = %v", st.asError())
	}
}
