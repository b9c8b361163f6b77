package journal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vanthu/internal/fault"
)

// Files in the journal folder.
const (
	CheckpointFile = "checkpoints"
	KeyFile        = "key"
	publicSuffix   = ".pub"
)

const checkpointTitle = "vanthu journal checkpoint v1"

// Checkpoint is a signed statement that the journal had Seq entries, the last
// of them with this hash.
type Checkpoint struct {
	Seq  int64
	Hash Hash
	At   time.Time // when it was signed, to the second
	id   Hash      // of the whole note
	prev string    // id of the one before, "-" in the first
}

// Key says where a signing key lies.
type Key struct {
	File string // the private key; the public one is in File + ".pub"
}

// KeyIn returns the usual place of the key in a journal folder.
func KeyIn(dir string) Key { return Key{File: filepath.Join(dir, KeyFile)} }

// SignerName names who signs: usually the main domain of the province.
type SignerName string

// Init makes the journal folder dir, the key, and the file of checkpoints
// with the first one, of the empty journal. It fails with
// fault.Conflict when one of the files is there already.
func Init(dir string, key Key, name SignerName, now time.Time) error {
	skey, vkey, err := note.GenerateKey(rand.Reader, string(name))
	if err != nil {
		return fmt.Errorf("make the journal's key: %w", err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, fault.Text{EN: fmt.Sprintf("%q cannot be the name of a signer", name)})
	}
	first, err := sign(signer, Checkpoint{Hash: Genesis(), At: now, prev: "-"})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the journal's folder: %w", err)
	}
	for _, f := range []struct {
		name string
		mode fs.FileMode
		text []byte
	}{
		{key.File, 0o600, []byte(skey + "\n")},
		{key.File + publicSuffix, 0o644, []byte(vkey + "\n")},
		{filepath.Join(dir, CheckpointFile), 0o600, first},
	} {
		if err := create(f.name, f.mode, f.text); err != nil {
			return err
		}
	}
	return nil
}

// create writes a new file durably.
func create(name string, mode fs.FileMode, text []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fault.Wrap(fault.Conflict, err, fault.Text{EN: name + " is there already"})
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (k Key) signer() (note.Signer, error) {
	text, err := os.ReadFile(k.File)
	if err != nil {
		return nil, fmt.Errorf("read the journal's key: %w", err)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read the journal's key %s: %w", k.File, err)
	}
	return s, nil
}

// Public returns the public keys that lie beside the private one: the
// verifier keys of its lines.
func (k Key) Public() ([]string, error) {
	text, err := os.ReadFile(k.File + publicSuffix)
	if err != nil {
		return nil, fmt.Errorf("read the journal's public key: %w", err)
	}
	return strings.Fields(string(text)), nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// sign gives the record of c as the file has it: the note and an empty line.
func sign(s note.Signer, c Checkpoint) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n%s\nprev %s\n", checkpointTitle, c.Seq, base64.StdEncoding.EncodeToString(c.Hash[:]), stamp(c.At), c.prev)
	msg, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint of entry %d: %w", c.Seq, err)
	}
	return append(msg, '\n'), nil
}

// noteID gives the hash of the note in a record.
func noteID(record []byte) Hash { return sha256.Sum256(bytes.TrimSuffix(record, []byte("\n"))) }

// parse reads what sign has written and verifies the signature.
func parse(record []byte, keys note.Verifiers) (Checkpoint, error) {
	msg := bytes.TrimSuffix(record, []byte("\n"))
	n, err := note.Open(msg, keys)
	if err != nil {
		return Checkpoint{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 6 || lines[0] != checkpointTitle || lines[5] != "" {
		return Checkpoint{}, errors.New("not the text of a checkpoint")
	}
	c := Checkpoint{id: noteID(record)}
	seq, err1 := strconv.ParseInt(lines[1], 10, 64)
	sum, err2 := base64.StdEncoding.DecodeString(lines[2])
	at, err3 := time.Parse(time.RFC3339, lines[3])
	prev, ok := strings.CutPrefix(lines[4], "prev ")
	if err := errors.Join(err1, err2, err3); err != nil {
		return Checkpoint{}, err
	}
	if seq < 0 || len(sum) != len(c.Hash) || !ok {
		return Checkpoint{}, errors.New("not the text of a checkpoint")
	}
	c.Seq, c.Hash, c.At, c.prev = seq, Hash(sum), at, prev
	return c, nil
}

// next parts the first record from data: two paragraphs, each ended by an
// empty line. ok is false when no whole record is there.
func next(data []byte) (record, rest []byte, ok bool) {
	text := bytes.Index(data, []byte("\n\n"))
	if text < 0 {
		return nil, data, false
	}
	sig := bytes.Index(data[text+2:], []byte("\n\n"))
	if sig < 0 {
		return nil, data, false
	}
	n := text + 2 + sig + 2
	return data[:n], data[n:], true
}

// CheckpointReport is what VerifyCheckpoints has found.
type CheckpointReport struct {
	Checkpoints []Checkpoint // genuine and in order, up to First
	Torn        int          // octets of a half-written one at the end, which a crash leaves
	First       *Wrong       // nil: all are genuine
}

// VerifyCheckpoints reads the file of checkpoints in the journal folder dir. Each must be
// signed by one of keys, name the one before it, and not go back. A wrong one is
// named in the report; errors are those of reading. An auditor gives the keys
// that he has kept himself.
func VerifyCheckpoints(dir string, keys []string) (CheckpointReport, error) {
	var rep CheckpointReport
	var known []note.Verifier
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return rep, fault.Wrap(fault.Invalid, err, fault.Text{EN: fmt.Sprintf("%q is no verifier key", k)})
		}
		known = append(known, v)
	}
	data, err := os.ReadFile(filepath.Join(dir, CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		rep.First = &Wrong{WrongCheckpoint, 0, "a file of signed checkpoints", "no file " + filepath.Join(dir, CheckpointFile)}
		return rep, nil
	}
	if err != nil {
		return rep, fmt.Errorf("read checkpoints: %w", err)
	}
	verifiers := note.VerifierList(known...)
	last := Checkpoint{prev: "-"}
	for n := 1; ; n++ {
		record, rest, ok := next(data)
		if !ok {
			break
		}
		data = rest
		c, err := parse(record, verifiers)
		want := last.id.String()
		if n == 1 {
			want = "-"
		}
		switch {
		case err != nil:
			rep.First = &Wrong{WrongCheckpoint, last.Seq, fmt.Sprintf("a genuine checkpoint as number %d of the file", n),
				"one that is forged or changed: " + err.Error()}
		case c.prev != want:
			rep.First = &Wrong{WrongCheckpoint, c.Seq, fmt.Sprintf("number %d of the file to follow checkpoint %s (entry %d)", n, want, last.Seq),
				"that it followed " + c.prev + ": one between is lost or replaced"}
		case c.Seq < last.Seq:
			rep.First = &Wrong{WrongCheckpoint, c.Seq, fmt.Sprintf("no fewer than %d entries", last.Seq), fmt.Sprintf("%d entries", c.Seq)}
		}
		if rep.First != nil {
			return rep, nil
		}
		rep.Checkpoints = append(rep.Checkpoints, c)
		last = c
	}
	rep.Torn = len(data)
	if len(rep.Checkpoints) == 0 {
		rep.First = &Wrong{WrongCheckpoint, 0, "at least the first checkpoint", "an empty file of checkpoints"}
	}
	return rep, nil
}

// ID returns the hash of the whole signed note, by which the next one names it.
func (c Checkpoint) ID() string { return c.id.String() }
