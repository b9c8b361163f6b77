// Package control is the local administration interface: every act of the
// command line is a named call with a JSON request and a JSON result.
//
// The same calls work in two ways. While a server runs, it alone may change
// the data, so the command line reaches its [Service] through a Unix socket in
// the data folder ([Server], [Client]); who may open the socket is an
// administrator. When none runs, the command line opens the data itself and
// asks a Service of its own. Both are a [Caller].
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"vanthu/internal/fault"
)

// Socket is the name of the Unix socket inside the data folder.
const Socket = "control.sock"

// Progress is told how far a long call has come: done of total steps.
type Progress func(done, total int)

// Caller carries out a call. req is marshalled to JSON and the result is
// unmarshalled into resp, a pointer or nil. progress may be nil. Errors keep
// the kind and the sentence of their fault across the socket.
type Caller interface {
	Call(ctx context.Context, name string, req, resp any, progress Progress) error
}

// A call is one entry of the table of calls.
type call func(ctx context.Context, s *Service, req json.RawMessage, p Progress) (any, error)

// on makes a call from a function with a typed request.
func on[Req any](fn func(*Service, context.Context, Req, Progress) (any, error)) call {
	return func(ctx context.Context, s *Service, raw json.RawMessage, p Progress) (any, error) {
		var req Req
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &req); err != nil {
				return nil, fault.Wrap(fault.Invalid, err, fault.Text{EN: "the request cannot be read"})
			}
		}
		return fn(s, ctx, req, p)
	}
}

// Call carries out a call in this process.
func (s *Service) Call(ctx context.Context, name string, req, resp any, progress Progress) error {
	raw, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode request of %s: %w", name, err)
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	out, err := s.dispatch(ctx, name, raw, progress)
	if err != nil || resp == nil {
		return err
	}
	return json.Unmarshal(out, resp)
}

func (s *Service) dispatch(ctx context.Context, name string, raw json.RawMessage, p Progress) (json.RawMessage, error) {
	fn, ok := calls()[name]
	if !ok {
		return nil, fault.Newf(fault.NotFound, "this server does not know the call %q: use the vanthu of its version", name)
	}
	res, err := fn(ctx, s, raw, p)
	if err != nil {
		return nil, err
	}
	return json.Marshal(res)
}

// wireError is how an error crosses the socket: what people may see of it.
type wireError struct {
	Kind fault.Kind `json:"kind"`
	EN   string     `json:"en"`
	VI   string     `json:"vi,omitempty"`
}

// frame is one line of an answer: some with progress, the last with the rest.
type frame struct {
	Done   int             `json:"done,omitempty"`
	Total  int             `json:"total,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *wireError      `json:"error,omitempty"`
}

func toWire(err error) *wireError {
	// An administrator on this machine may see the cause; a plain error has
	// nothing else to say.
	t := fault.Sentence(err)
	var f *fault.Error
	if !errors.As(err, &f) {
		t = fault.Text{EN: err.Error()}
	}
	return &wireError{Kind: fault.KindOf(err), EN: t.EN, VI: t.VI}
}

func (e *wireError) err() error { return fault.New(e.Kind, fault.Text{EN: e.EN, VI: e.VI}) }
