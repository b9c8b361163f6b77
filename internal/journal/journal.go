// Package journal keeps the tamper-evident log of everything that counts:
// acceptance, delivery, status changes, log-ins, acts of administrators.
//
// It owns the table journal. Each entry is written in the transaction of the
// act it tells of, so that neither exists without the other. Entries have
// consecutive numbers, and the hash of each covers its bytes and the hash of
// the one before (docs/formats/journal.md), so that nobody can change, remove,
// insert or reorder one without all later hashes changing. Signed checkpoints
// in a file beside the database hold the head fast from minute to minute.
//
// What belongs into an entry: ids, hashes, addresses, states. What does not:
// passwords, subjects, bodies; the content of a document may be destroyed by
// law, its journal never.
package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// Version is the version of the entry format that Append writes.
const Version = 1

// genesisText is what the hash "before" entry 1 is made of.
const genesisText = "vanthu journal v1"

const (
	maxText = 4 << 10   // longest reference or actor name kept whole, in octets
	maxData = 128 << 10 // longest data object kept whole, in octets
)

// Hash is the SHA-256 that chains an entry to all before it.
type Hash [sha256.Size]byte

// String gives the hash as 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives the hash as [Hash.String] does.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Genesis returns the hash that stands before the first entry.
func Genesis() Hash { return sha256.Sum256([]byte(genesisText)) }

// ActorKind says what sort of actor did something.
type ActorKind string

const (
	ActorAccount  ActorKind = "account"  // a person who has logged in
	ActorUnit     ActorKind = "unit"     // a unit as a whole
	ActorSystem   ActorKind = "system"   // the server itself, its timers and its command line
	ActorExternal ActorKind = "external" // somebody outside: another server, a sender
)

// Actor is who did what an event tells of.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   int64     `json:"id"`   // account or unit; 0 for the other kinds
	Name string    `json:"name"` // login, unit code, subcommand or address at that time
}

// System returns the actor for what the server does by itself; name says
// which part of it.
func System(name string) Actor { return Actor{Kind: ActorSystem, Name: name} }

// Event is what an entry tells.
type Event struct {
	At      time.Time // when it happened; the zero time means now
	Type    string    // "mail.accepted", "doc.registered": lower-case words and dots
	Actor   Actor     // who did it
	Subject string    // what it was done to: a queue id, document id, login; "ref" in the table
	Unit    int64     // the unit whose affair it is, 0 for none
	Data    any       // more about it: must marshal to a JSON object; nil means {}
}

const (
	qHead   = `SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1`
	qInsert = `INSERT INTO journal (seq, at_us, type, ref, unit, body, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

// Head returns the number and the hash of the newest entry; 0 and [Genesis]
// when there is none.
func Head(ctx context.Context, r sqldb.Reader) (seq int64, hash Hash, err error) {
	var b []byte
	err = r.QueryRow(ctx, qHead).Scan(&seq, &b)
	switch {
	case sqldb.NoRows(err):
		return 0, Genesis(), nil
	case err != nil:
		return 0, Hash{}, fmt.Errorf("read the journal's head: %w", err)
	case len(b) != len(hash):
		return 0, Hash{}, fmt.Errorf("read the journal's head: hash of entry %d has %d octets", seq, len(b))
	}
	return seq, Hash(b), nil
}

// Append writes ev as the next entry, within tx, and returns its number. Over-long
// texts and data are kept as their beginning and their hash, so that no
// stranger can swell the journal. Errors are of kind fault.Invalid when ev
// cannot be written as an entry at all, which is a mistake of the caller, and
// those of the database otherwise.
func Append(ctx context.Context, tx *sqldb.Tx, ev Event) (seq int64, err error) {
	if !isType(ev.Type) {
		return 0, fault.Newf(fault.Invalid, "journal: bad event type %q", ev.Type)
	}
	if ev.At.IsZero() {
		ev.At = time.Now()
	}
	data, err := encodeData(ev.Data)
	if err != nil {
		return 0, err
	}
	last, prev, err := Head(ctx, tx)
	if err != nil {
		return 0, err
	}
	e := entry{seq: last + 1, at: sqldb.Micros(ev.At), typ: ev.Type, ref: clean(ev.Subject), unit: ev.Unit}
	body := make([]byte, 0, 192+len(e.ref)+len(data))
	body = e.appendHead(body)
	body = append(body, `,"actor":{"kind":`...)
	body = appendString(body, string(ev.Actor.Kind))
	body = append(body, `,"id":`...)
	body = strconv.AppendInt(body, ev.Actor.ID, 10)
	body = append(body, `,"name":`...)
	body = appendString(body, clean(ev.Actor.Name))
	body = append(body, `},"data":`...)
	body = append(body, data...)
	body = append(body, '}')
	hash := chain(prev, body)
	if _, err := tx.Exec(ctx, qInsert, e.seq, e.at, e.typ, e.ref, e.unit, body, hash[:]); err != nil {
		return 0, fmt.Errorf("append journal entry: %w", err)
	}
	return e.seq, nil
}

// chain gives the hash of an entry: of the hash before it and its bytes.
func chain(prev Hash, body []byte) Hash {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(body)
	var out Hash
	h.Sum(out[:0])
	return out
}

// entry is what of an entry stands in the columns and in the body as well.
type entry struct {
	seq, at  int64
	typ, ref string
	unit     int64
}

// appendHead appends the beginning of the body, which the columns determine:
// so the verifier can compare both without parsing.
func (e *entry) appendHead(b []byte) []byte {
	b = append(b, `{"v":1,"seq":`...)
	b = strconv.AppendInt(b, e.seq, 10)
	b = append(b, `,"at":`...)
	b = strconv.AppendInt(b, e.at, 10)
	b = append(b, `,"type":`...)
	b = appendString(b, e.typ)
	b = append(b, `,"ref":`...)
	b = appendString(b, e.ref)
	b = append(b, `,"unit":`...)
	return strconv.AppendInt(b, e.unit, 10)
}

// appendString appends s as a JSON string. Nearly all are plain ASCII and need
// no escape; the rest is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return append(b, encodeString(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func encodeString(s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

func encodeData(v any) ([]byte, error) {
	if v == nil {
		return []byte("{}"), nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Newf(fault.Invalid, "journal: encode data: %w", err)
	}
	out := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if len(out) < 2 || out[0] != '{' {
		return nil, fault.Newf(fault.Invalid, "journal: data of type %T is no JSON object", v)
	}
	if len(out) <= maxData {
		return out, nil
	}
	return encodeData(cut{Cut: true, Size: len(out), SHA256: sha256.Sum256(out), Head: head(string(out))})
}

// cut stands for data that was too long.
type cut struct {
	Cut    bool   `json:"cut"`
	Size   int    `json:"size"`
	SHA256 Hash   `json:"sha256"`
	Head   string `json:"head"`
}

// Clip returns s, or its first 4 KiB and the hash of the whole when it is
// longer. Append does it to references and names; callers do it to texts of
// strangers that they put into Data.
func Clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return head(s) + "… sha256:" + hex.EncodeToString(sum[:])
}

// clean makes s fit for a text column of any engine: no broken characters, no
// NUL, not too long.
func clean(s string) string {
	return Clip(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD"))
}

// head gives the first maxText octets of s, ending with a whole character.
func head(s string) string {
	n := maxText
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:min(n, len(s))]
}

// isType tells whether s is words of lower-case letters, digits and
// underscores, joined by dots.
func isType(s string) bool {
	dot := true // a dot may not stand here
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if dot {
				return false
			}
			dot = true
			continue
		case c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9'):
			return false
		}
		dot = false
	}
	return !dot
}
