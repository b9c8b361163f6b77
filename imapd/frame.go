package imapd

import (
	"bytes"
	"errors"
	"math"
	"strings"

	"vanthu/internal/wire"
)

// Limits of a command (design, reliability.md section 3). A line and all literals of one command share maxCommand.
const (
	maxLine       = 64 << 10 // octets of a command without its literals
	maxEarlyLine  = 16 << 10 // the same before login; an AUTHENTICATE with initial response fits
	maxLiteral    = 64 << 10 // octets of a literal that is collected
	maxEarly      = 4 << 10  // the same before login
	maxNonSync    = 4096     // octets of a non-synchronising literal, RFC 7888, section 5 (LITERAL-)
	maxCommand    = 256 << 10
	maxTagLen     = 128
	continueReply = "+ Ready for literal data\r\n"
)

// literal is an announced literal whose octets have not been read.
type literal struct {
	size  int64 // -1 when beyond 63 bits
	sync  bool  // the client waits for "+"
	eight bool  // literal8, "~{"
}

// command is one framed command. args is valid until the next read from the connection.
type command struct {
	tag  string
	verb string // upper case; "UID FETCH" for the UID forms
	args lexer  // from the blank behind the verb on
	lit  *literal
}

// refusal is why a command is not carried out, as its tagged (or, without a usable tag, untagged) answer.
type refusal struct {
	typ  string // "BAD" or "NO"; "" for none
	code string
	text string
	bye  bool // the stream cannot be kept in step, or too much is announced: end the connection
}

func (r refusal) given() bool { return r.typ != "" || r.bye }

func badSyntax(text string) refusal { return refusal{typ: "BAD", text: text} }

// source is what a frame reads from: a *wire.Conn.
type source interface {
	ReadLine(max int) ([]byte, error)
	ReadBlock(p []byte) (int, error)
	WriteString(s string) (int, error)
}

// framer cuts the input into commands. Its one duty is to stay in step with the client, whatever the client sends: every announced
// literal is either read, skipped, or refused before the client sends it (RFC 9051, section 4.3; RFC 7888).
type framer struct {
	in    source
	early bool // before login: small limits

	// admit is asked before a literal is taken: may this verb run now, and does it stream its last literal?
	admit func(verb string, args []byte) (stream bool, ref refusal)
}

// next reads one command. A refusal comes with whatever of tag and verb could be read. An error is one of the connection.
func (f *framer) next() (command, refusal, error) {
	limit := maxLine
	if f.early {
		limit = maxEarlyLine
	}
	line, err := f.in.ReadLine(limit)
	if errors.Is(err, wire.ErrLineTooLong) {
		return command{}, refusal{typ: "BAD", code: "TOOBIG", text: "Command line too long", bye: true}, nil
	} else if err != nil {
		return command{}, refusal{}, err
	}
	text := trimLineEnd(line)
	cmd, at, ref := readHead(text)
	if r := checkPiece(text); r.given() && (!ref.given() || r.bye) {
		ref = r
	}
	owned := false
	total := len(text)
	for piece := text; ; {
		lit, start, ok := announced(piece)
		if !ok || ref.bye {
			break
		}
		var stream bool
		if !ref.given() {
			if stream, ref = f.admit(cmd.verb, text[at:len(text)-len(piece)+start]); stream && !ref.given() {
				cmd.lit = &lit
				text = text[:len(text)-len(piece)+start]
				break
			}
		}
		if r := f.checkLiteral(lit, total); r.given() && (!ref.given() || r.bye) {
			ref = r
		}
		if ref.given() && (lit.sync || ref.bye) {
			break // the client waits for our word before it sends anything
		}
		if !owned {
			text = bytes.Clone(text)
			owned = true
		}
		if text, err = f.collect(text[:len(text)-len(piece)+start], lit); err != nil {
			return cmd, ref, err
		}
		total += int(lit.size)
		if line, err = f.in.ReadLine(limit); errors.Is(err, wire.ErrLineTooLong) {
			return cmd, refusal{typ: "BAD", code: "TOOBIG", text: "Command line too long", bye: true}, nil
		} else if err != nil {
			return cmd, ref, err
		}
		line = trimLineEnd(line)
		if total += len(line); total > maxCommand {
			return cmd, refusal{typ: "BAD", code: "TOOBIG", text: "Command too long", bye: true}, nil
		}
		if r := checkPiece(line); r.given() && (!ref.given() || r.bye) {
			ref = r
		}
		text = append(text, line...)
		piece = text[len(text)-len(line):]
	}
	cmd.args = lexer{b: text[min(at, len(text)):]}
	return cmd, ref, nil
}

// checkLiteral judges the size of a literal that is to be collected.
func (f *framer) checkLiteral(lit literal, total int) refusal {
	limit := int64(maxLiteral)
	if f.early {
		limit = maxEarly
	}
	big := lit.size < 0 || lit.size > limit || int64(total)+lit.size > maxCommand
	switch {
	case !lit.sync && (big || lit.size > maxNonSync):
		return refusal{typ: "BAD", code: "TOOBIG", text: "Non-synchronizing literals are limited to 4096 octets", bye: true}
	case big:
		return refusal{typ: "NO", code: "TOOBIG", text: "Literal too large for this command"}
	}
	return refusal{}
}

// collect reads a literal and adds it to text as a quoted string.
func (f *framer) collect(text []byte, lit literal) ([]byte, error) {
	if lit.sync {
		if _, err := f.in.WriteString(continueReply); err != nil {
			return text, err
		}
	}
	raw := make([]byte, lit.size)
	if _, err := f.in.ReadBlock(raw); err != nil {
		return text, err
	}
	return appendQuoted(text, raw), nil
}

func trimLineEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// readHead reads tag and verb; at is where the arguments start.
func readHead(text []byte) (cmd command, at int, ref refusal) {
	if len(text) == 0 {
		return cmd, 0, badSyntax("Empty command")
	}
	l := lexer{b: text}
	tag, ok := l.take(func(ch byte) bool { return ch != '+' && isAtomChar(ch) })
	if !ok || len(tag) > maxTagLen || l.peek() != ' ' {
		if ok && len(tag) <= maxTagLen && l.i == len(text) {
			cmd.tag = string(tag)
			return cmd, l.i, badSyntax("Missing command")
		}
		return cmd, l.i, badSyntax("Invalid tag")
	}
	cmd.tag = string(tag)
	l.i++
	verb, ok := l.word()
	if ok && verb == "UID" && l.special(' ') {
		var sub string
		if sub, ok = l.word(); ok {
			verb += " " + sub
		}
	}
	if !ok || l.i < len(text) && l.peek() != ' ' {
		return cmd, l.i, badSyntax("Invalid command")
	}
	cmd.verb = verb
	return cmd, l.i, refusal{}
}

// checkPiece looks for what no part of a command line may hold, outside literals.
func checkPiece(piece []byte) refusal {
	var ref refusal
	open := false
	for i := 0; i < len(piece); i++ {
		switch ch := piece[i]; {
		case ch == 0 || ch == '\r':
			ref = badSyntax("NUL or CR within a command")
		case ch == '"':
			open = !open
		case ch == '\\' && open:
			i++
		}
	}
	if !open {
		return ref
	}
	ref = badSyntax("Unbalanced quotes")
	if lit, _, ok := announced(piece); ok && !lit.sync {
		ref.bye = true // is it a literal or the text of a string? Nobody can tell
	}
	return ref
}

// announced finds a literal's announcement at the end of piece.
func announced(piece []byte) (lit literal, start int, ok bool) {
	n := len(piece)
	if n < 3 || piece[n-1] != '}' {
		return lit, 0, false
	}
	start = bytes.LastIndexByte(piece, '{')
	if start < 0 {
		return lit, 0, false
	}
	digits := piece[start+1 : n-1]
	lit.sync = true
	if bytes.HasSuffix(digits, []byte{'+'}) {
		lit.sync = false
		digits = digits[:len(digits)-1]
	}
	if len(digits) == 0 || strings.Trim(string(digits), "0123456789") != "" {
		return lit, 0, false
	}
	lit.size = -1
	if digits = bytes.TrimLeft(digits, "0"); len(digits) == 0 {
		lit.size = 0
	} else if size, fits := parseNumber(digits, math.MaxInt64); fits {
		lit.size = int64(size)
	}
	lit.eight = start > 0 && piece[start-1] == '~'
	return lit, start, true
}
