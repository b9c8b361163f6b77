package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"vanthu/internal/fault"
)

func TestKindOf(t *testing.T) {
	base := fault.New(fault.Denied, fault.Text{EN: "no"})
	tests := []struct {
		name string
		err  error
		want fault.Kind
	}{
		{"plain error is temporary", io.EOF, fault.Temporary},
		{"fault", base, fault.Denied},
		{"wrapped with %w", fmt.Errorf("open: %w", base), fault.Denied},
		{"outermost counts", fault.Wrap(fault.Conflict, base, fault.Text{EN: "busy"}), fault.Conflict},
		{"joined", errors.Join(io.EOF, base), fault.Denied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fault.KindOf(tt.err); got != tt.want {
				t.Errorf("KindOf = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSentenceHidesCause(t *testing.T) {
	secret := errors.New("SQL logic error near passwd")
	got := fault.Sentence(fault.Wrap(fault.Temporary, secret, fault.Text{EN: "cannot store the message"}))
	if got.EN != "cannot store the message" {
		t.Errorf("Sentence = %q", got.EN)
	}
	if got := fault.Sentence(secret); got.EN == secret.Error() || got.VI == "" {
		t.Errorf("Sentence of a plain error = %+v, want the general text in both languages", got)
	}
}

func TestWrapKeepsCause(t *testing.T) {
	err := fault.Wrap(fault.Invalid, io.ErrUnexpectedEOF, fault.Text{EN: "cut short"})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("Wrap lost its cause")
	}
	if fault.Wrap(fault.Invalid, nil, fault.Text{EN: "x"}) != nil {
		t.Error("Wrap(nil) is not nil")
	}
	if got := fault.KindOf(fault.Newf(fault.NotFound, "no unit %q", "x")); got != fault.NotFound {
		t.Errorf("Newf kind = %v", got)
	}
}
