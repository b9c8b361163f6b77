// Package sieve compiles and runs mail filters: a bounded subset of Sieve
// (RFC 5228) without anything that could go on for ever, read a file or learn
// of other people's mail. docs/formats/rules.md lists what it knows.
//
// It is pure: [Compile] turns a text into a [Script] or says what is wrong in
// which line, [Run] tells what should become of a message. Carrying that out is
// the caller's. A script that fails while it runs always ends in keeping the
// message.
package sieve

import (
	"fmt"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Limits of scripts and of what they may cause.
const (
	MaxScript    = 64 << 10 // octets of a script
	MaxRedirects = 5        // addresses that one message is sent on to
	MaxActions   = 32       // things done with one message

	maxDepth     = 32      // blocks in blocks and tests in tests
	maxList      = 500     // strings of a list
	maxVariables = 128     // RFC 5229, section 3
	maxValue     = 4000    // octets of a variable
	maxFlags     = 30      // flags of one message
	defaultSteps = 200_000 // about 10 ms
	stepOctets   = 64      // octets compared in one step
)

// Script is a compiled script. It never changes, and may be run concurrently.
type Script struct{ block []statement }

// Error is what is wrong with a script.
type Error struct {
	Line int // from 1
	What fault.Text
}

// Error gives the line and the fault in English.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.What.EN) }

func (e *Error) fault() error {
	return fault.Wrap(fault.Invalid, e, fault.Text{
		EN: e.Error(), VI: fmt.Sprintf("dòng %d: %s", e.Line, e.What.VI),
	})
}

func wrong(line int, en, vi string, args ...any) *Error {
	return &Error{Line: line, What: fault.Text{EN: fmt.Sprintf(en, args...), VI: fmt.Sprintf(vi, args...)}}
}

// Capabilities gives what scripts may require.
func Capabilities() []string {
	return []string{
		"fileinto", "envelope", "imap4flags", "copy", "relational", "variables", "vacation", "mailbox", "special-use",
		"subaddress", "encoded-character", "body", "vnd.vanthu.document",
		"comparator-i;octet", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric", "comparator-vnd.vanthu.fold",
	}
}

// Compile reads a script. Errors are of kind fault.Invalid and hold an [Error].
func Compile(text string) (*Script, error) {
	if len(text) > MaxScript {
		return nil, wrong(1, "the script is longer than %d octets", "kịch bản dài quá %d byte", MaxScript).fault()
	}
	commands, e := parse(text)
	if e != nil {
		return nil, e.fault()
	}
	c := compiler{has: map[string]bool{}}
	block, e := c.top(commands)
	if e != nil {
		return nil, e.fault()
	}
	return &Script{block: block}, nil
}

// Document is what is known of a message that is an official document, or a
// status of one. The texts of one attribute are different ways to write it.
type Document struct {
	State   []string // "arrived"
	Type    []string // "Quyết định", "QĐ"
	Urgency []string // "khẩn"
	Op      []string // "thuhoi"
	Code    []string // "123/QĐ-UBND"
	Issuer  []string // name, address
}

// Input is a message as scripts see it.
type Input struct {
	Header   mail.Header
	From     mail.Path    // reverse-path
	To       mail.Address // the recipient as the sender named it
	Size     int64        // octets
	Text     func() string
	Document *Document // nil: not one
	// Mailbox tells whether there is a mailbox of this name; nil: none is.
	Mailbox func(name string) bool
	// Use tells whether there is a mailbox of this special use; nil: none is.
	Use   func(use string) bool
	Steps int // how much work a run may be; 0 is the default
}

// Kind is what to do with a message.
type Kind uint8

// The kinds.
const (
	Keep     Kind = iota + 1 // put it where it would go without a script
	File                     // put it into a mailbox
	Redirect                 // send it on
)

// Action is one thing to do.
type Action struct {
	Kind    Kind
	Mailbox string       // of File
	Use     string       // of File: rather the mailbox of this special use, if there is one
	Create  bool         // of File: make the mailbox when it is missing
	Flags   []string     // of Keep and File: system flags with their backslash, and keywords
	To      mail.Address // of Redirect
}

// Vacation is an answer to the sender. RFC 5230.
type Vacation struct {
	Days      int // between two answers to one sender; 1 to 30, 0 when not said
	Subject   string
	From      string
	Addresses []string // further addresses of the owner
	Handle    string   // names the answer; "" for its content
	Text      string
}

// Result is what should become of a message. No action at all means that it
// is thrown away.
type Result struct {
	Actions  []Action
	Vacation *Vacation
	Err      error // what went wrong; then the only action is to keep it
	Steps    int   // work done
}

// Run runs scripts one after another on a message, until one says stop. What
// one has done counts for those after it.
func Run(in Input, scripts ...*Script) Result {
	m := machine{in: in, implicit: true, left: in.Steps}
	if m.left <= 0 {
		m.left = defaultSteps
	}
	budget := m.left
	for _, s := range scripts {
		m.vars, m.matched = nil, nil // each script has its own
		if e := m.block(s.block); e != nil {
			return Result{Actions: []Action{{Kind: Keep}}, Err: e.fault(), Steps: budget - m.left}
		}
		if m.stopped {
			break
		}
	}
	if m.implicit {
		m.keep(m.flags)
	}
	return Result{Actions: m.actions, Vacation: m.vacation, Steps: budget - m.left}
}
