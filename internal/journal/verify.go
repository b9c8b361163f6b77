package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"

	"vanthu/internal/sqldb"
)

// What kinds of entry a verifier can find wrong.
const (
	WrongEntry      = "journal"    // Key is the number of the entry
	WrongCheckpoint = "checkpoint" // Key is the number of the entry it signs, 0 when none can be told
)

// Wrong is the first thing found wrong.
type Wrong struct {
	Kind     string `json:"kind"`
	Key      int64  `json:"key"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// String says it in a sentence.
func (w *Wrong) String() string {
	return fmt.Sprintf("%s %d: expected %s, found %s", w.Kind, w.Key, w.Expected, w.Found)
}

// VerifyOptions tunes Verify; the zero value verifies the chain alone.
type VerifyOptions struct {
	// Checkpoints are the signed heads that the chain must agree with, as
	// [VerifyCheckpoints] returns them.
	Checkpoints []Checkpoint
	// Progress is called now and then with the number of entries verified;
	// nil: not.
	Progress func(entries int64)
}

// Report is what Verify has found.
type Report struct {
	Entries     int64  `json:"entries"`         // verified and in order
	Head        Hash   `json:"head"`            // hash of the last of them
	Checkpoints int    `json:"checkpoints"`     // that agree
	Unsigned    int64  `json:"unsigned"`        // entries after the last checkpoint: a cut there cannot be seen
	First       *Wrong `json:"wrong,omitempty"` // nil: all is intact
}

const qWalk = `SELECT seq, at_us, type, ref, unit, body, hash FROM journal ORDER BY seq`

// progressEvery is how often Progress is called, in entries.
const progressEvery = 10_000

// Verify walks the whole chain and stops at the first wrong entry, which the
// report names; that is no error. Errors are those of the database only. It
// writes nothing, and r may be of a database that was opened read-only.
func Verify(ctx context.Context, r sqldb.Reader, opt VerifyOptions) (Report, error) {
	v := verifier{rep: Report{Head: Genesis()}, left: opt.Checkpoints, sha: sha256.New()}
	if v.signed(); v.rep.First != nil {
		return v.rep, nil
	}
	rows, err := r.Query(ctx, qWalk)
	if err != nil {
		return v.rep, fmt.Errorf("read the journal: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.seq, &e.at, &e.typ, &e.ref, &e.unit, &v.body, &v.hash); err != nil {
			return v.rep, fmt.Errorf("read the journal after entry %d: %w", v.rep.Entries, err)
		}
		if v.entry(&e); v.rep.First != nil {
			return v.rep, nil
		}
		if v.rep.Entries%progressEvery == 0 {
			if opt.Progress != nil {
				opt.Progress(v.rep.Entries)
			}
			if err := ctx.Err(); err != nil {
				return v.rep, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return v.rep, fmt.Errorf("read the journal after entry %d: %w", v.rep.Entries, err)
	}
	v.end(opt.Checkpoints)
	return v.rep, nil
}

// verifier is one Verify under way.
type verifier struct {
	rep        Report
	left       []Checkpoint // not reached yet
	agreed     int64        // entry of the last checkpoint that agreed
	sha        hash.Hash
	body, hash []byte
	buf        []byte
}

func (v *verifier) wrong(kind string, key int64, expected, found string) {
	v.rep.First = &Wrong{Kind: kind, Key: key, Expected: expected, Found: found}
}

// entry looks at the next entry.
func (v *verifier) entry(e *entry) {
	want := v.rep.Entries + 1
	switch {
	case e.seq > want:
		v.wrong(WrongEntry, want, fmt.Sprintf("entry %d", want), fmt.Sprintf("entry %d: the ones before it are missing", e.seq))
		return
	case e.seq < want: // numbers are unique: only below 1
		v.wrong(WrongEntry, e.seq, fmt.Sprintf("entry %d as the first", want), fmt.Sprintf("entry %d, which cannot be", e.seq))
		return
	}
	v.buf = e.appendHead(v.buf[:0])
	if !bytes.HasPrefix(v.body, v.buf) || !bytes.HasPrefix(v.body[len(v.buf):], []byte(`,"actor":{`)) {
		v.wrong(WrongEntry, want, "a body that begins as its columns say: "+string(v.buf), excerpt(v.body, len(v.buf)))
		return
	}
	v.sha.Reset()
	v.sha.Write(v.rep.Head[:])
	v.sha.Write(v.body)
	var sum Hash
	v.sha.Sum(sum[:0])
	if !bytes.Equal(sum[:], v.hash) {
		v.wrong(WrongEntry, want, "hash "+sum.String()+" of its body and the entry before", "hash "+hex.EncodeToString(v.hash))
		return
	}
	v.rep.Entries, v.rep.Head = want, sum
	v.signed()
}

// signed compares the head with the checkpoints that sign it.
func (v *verifier) signed() {
	for len(v.left) > 0 && v.left[0].Seq == v.rep.Entries {
		c := v.left[0]
		if c.Hash != v.rep.Head {
			v.wrong(WrongCheckpoint, c.Seq, "hash "+c.Hash.String()+" as signed at "+stamp(c.At),
				fmt.Sprintf("hash %v: the journal was rewritten somewhere between entries %d and %d", v.rep.Head, v.agreed+1, c.Seq))
			return
		}
		v.left = v.left[1:]
		v.rep.Checkpoints++
		v.agreed = c.Seq
	}
}

// end looks at what the checkpoints say about the journal's length.
func (v *verifier) end(all []Checkpoint) {
	if len(v.left) > 0 {
		last := all[len(all)-1]
		v.wrong(WrongEntry, v.rep.Entries+1, fmt.Sprintf("entry %d: the journal had %d entries when a checkpoint was signed at %s",
			v.rep.Entries+1, last.Seq, stamp(last.At)), fmt.Sprintf("the end after entry %d: the rest was cut off", v.rep.Entries))
		return
	}
	v.rep.Unsigned = v.rep.Entries - v.agreed
}

// excerpt shows the beginning of a body, as one line.
func excerpt(body []byte, n int) string {
	return fmt.Sprintf("%q", body[:min(len(body), n+16)])
}
