package sieve_test

import (
	"testing"

	"vanthu/internal/fault"
	"vanthu/internal/sieve"
)

// FuzzCompile: no text makes the compiler fall over, and what compiles runs
// within its budget and never loses a message by failing.
func FuzzCompile(f *testing.F) {
	for _, tt := range tests {
		f.Add(required+"if "+tt.test+" { fileinto \"yes\"; }", messages[tt.message])
	}
	for _, tt := range scripts {
		f.Add(required+tt.script, messages["plain"])
	}
	for _, tt := range refused {
		if len(tt.script) < 4096 {
			f.Add(tt.script, "")
		}
	}
	f.Fuzz(func(t *testing.T, script, message string) {
		s, err := sieve.Compile(script)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		in := input(t, message)
		in.Steps = 20_000
		r := sieve.Run(in, s)
		if r.Steps > in.Steps {
			t.Errorf("%d steps of %d", r.Steps, in.Steps)
		}
		if r.Err != nil && (len(r.Actions) != 1 || r.Actions[0].Kind != sieve.Keep) {
			t.Errorf("failed with %v and does %+v", r.Err, r.Actions)
		}
		if len(r.Actions) > sieve.MaxActions+1 {
			t.Errorf("%d actions", len(r.Actions))
		}
	})
}
