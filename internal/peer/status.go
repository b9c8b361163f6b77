package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vanthu/internal/edoc"
	"vanthu/internal/fault"
)

// StatusType is the media type of the part that holds a signed status, and
// StatusFile its name.
const (
	StatusType = "application/vnd.vanthu.peer-status"
	StatusFile = "trang-thai.txt"
	EdXMLFile  = "trang-thai.edxml"
)

// statusFormat is the first line of a signed status: no other text that we
// sign can be taken for one.
const statusFormat = "vanthu-peer-status/1"

// MaxStatus is the longest signed status, in octets.
const MaxStatus = 8 << 10

// Status is what one server reports to another about one document on its way;
// the recall (13) is what the sender's server asks of the recipient's.
// docs/formats/peer-status.md.
type Status struct {
	From      Name   // the server that reports
	To        Name   // the server that sent the document; of a recall the one that got it
	ID        string // given once by From
	Transfer  string // queue id under which the document was sent
	Recipient string // address that it was sent to
	Unit      string // address of the unit that acts; for a group one of several
	UnitName  string
	Code      edoc.Status
	At        time.Time // of the act, to the microsecond
	Number    int       // số đến, 0 for none
	Year      int       // of its register
	Reason    edoc.RefuseReason
	Note      string
	EdXML     [sha256.Size]byte // hash of the edXML status in the same message
}

// text gives the octets that are signed: one "name: value" a line, in this
// order, each value on one line.
func (s Status) text() []byte {
	var b bytes.Buffer
	b.WriteString(statusFormat + "\n")
	for _, f := range [...][2]string{
		{"from", string(s.From)}, {"to", string(s.To)}, {"id", s.ID}, {"transfer", s.Transfer},
		{"recipient", s.Recipient}, {"unit", s.Unit}, {"unit-name", s.UnitName}, {"code", string(s.Code)},
		{"at", s.At.UTC().Format(statusTime)}, {"number", strconv.Itoa(s.Number)}, {"year", strconv.Itoa(s.Year)},
		{"reason", string(s.Reason)}, {"note", s.Note}, {"edxml-sha256", hex.EncodeToString(s.EdXML[:])},
	} {
		b.WriteString(f[0] + ": " + oneLine(f[1]) + "\n")
	}
	return b.Bytes()
}

// statusTime is RFC 3339 in UTC with microseconds.
const statusTime = "2006-01-02T15:04:05.000000Z"

const signatureField = "signature: "

// Sign gives the signed text of a status.
func (s Status) Sign(key Signer) []byte {
	text := s.text()
	return append(text, signatureField+base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))+"\n"...)
}

// Signed is a status as it came, whose signature has not been checked.
type Signed struct {
	Status
	text      []byte
	signature []byte
}

var errStatusForm = errors.New("the status does not have the form of " + statusFormat)

// ParseStatus reads a signed status. It takes exactly what Sign writes and
// nothing else, so that no two texts say the same.
func ParseStatus(raw []byte) (Signed, error) {
	if len(raw) > MaxStatus || !utf8.Valid(raw) {
		return Signed{}, errStatusForm
	}
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	i := bytes.LastIndex(raw, []byte("\n"+signatureField))
	if i < 0 {
		return Signed{}, errStatusForm
	}
	out := Signed{text: raw[:i+1]}
	sig := strings.TrimSuffix(string(raw[i+1+len(signatureField):]), "\n")
	var err error
	if out.signature, err = base64.StdEncoding.Strict().DecodeString(sig); err != nil || len(out.signature) != ed25519.SignatureSize {
		return Signed{}, errStatusForm
	}
	if out.Status, err = parseFields(string(out.text)); err != nil {
		return Signed{}, err
	}
	if !bytes.Equal(out.Status.text(), out.text) {
		return Signed{}, errStatusForm
	}
	return out, nil
}

func parseFields(text string) (s Status, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[0] != statusFormat || len(lines) != 15 {
		return s, errStatusForm
	}
	value := map[string]string{}
	for _, l := range lines[1:] {
		name, v, ok := strings.Cut(l, ": ")
		if !ok {
			return s, errStatusForm
		}
		value[name] = v
	}
	s = Status{
		From: Name(value["from"]), To: Name(value["to"]), ID: value["id"], Transfer: value["transfer"],
		Recipient: value["recipient"], Unit: value["unit"], UnitName: value["unit-name"], Code: edoc.Status(value["code"]),
		Reason: edoc.RefuseReason(value["reason"]), Note: value["note"],
	}
	if s.At, err = time.Parse(statusTime, value["at"]); err != nil {
		return s, errStatusForm
	}
	if s.Number, err = strconv.Atoi(value["number"]); err != nil || s.Number < 0 {
		return s, errStatusForm
	}
	if s.Year, err = strconv.Atoi(value["year"]); err != nil || s.Year < 0 {
		return s, errStatusForm
	}
	sum, err := hex.DecodeString(value["edxml-sha256"])
	if err != nil || len(sum) != len(s.EdXML) {
		return s, errStatusForm
	}
	s.EdXML = [sha256.Size]byte(sum)
	if s.ID == "" || s.Transfer == "" || !s.Code.Valid() {
		return s, errStatusForm
	}
	return s, nil
}

// Refusals of a status.
var (
	ErrUnknownPeer = refusal("the status comes from a server that is no peer")
	ErrForged      = refusal("the signature of the status is not the peer's")
	ErrNotForUs    = refusal("the status is for another server")
	ErrWrongPeer   = refusal("the status is about a unit that is not the peer's")
	ErrReplay      = refusal("the status was taken before")
	ErrUnknown     = refusal("the status is about a document that was not sent from here")
	ErrEdXML       = refusal("the edXML of the status is not the one that was signed")
)

func refusal(text string) error {
	return fault.New(fault.Denied, fault.Text{EN: text, VI: "không nhận trạng thái của máy chủ ngang hàng: " + text})
}

// Verify checks who signed a status and whether that peer may report it. What
// only the database knows (replays, the document) is the caller's to check.
func (r *Registry) Verify(s Signed) (Peer, error) {
	p, ok := r.ByName(s.From)
	if !ok {
		return Peer{}, ErrUnknownPeer
	}
	if !ed25519.Verify(p.Key, s.text, s.signature) {
		return p, ErrForged
	}
	if s.To != r.Self() {
		return p, ErrNotForUs
	}
	about := []string{s.Recipient, s.Unit}
	if s.Code.SentBy() == edoc.SideSender { // the recipient is ours; the unit that asks is the peer's
		about = about[1:]
	}
	for _, addr := range about {
		_, domain, ok := strings.Cut(addr, "@")
		if i := strings.LastIndexByte(addr, '@'); i >= 0 {
			domain = addr[i+1:]
		}
		if !ok || !p.Has(domain) {
			return p, ErrWrongPeer
		}
	}
	return p, nil
}

// Report makes and signs a status from us. id must never have been used.
func (r *Registry) Report(s Status, edxml []byte) ([]byte, error) {
	if r.opt.Key == nil {
		return nil, errors.New("this server has no key to sign statuses with")
	}
	s.From, s.EdXML = r.Self(), sha256.Sum256(edxml)
	text := s.Sign(r.opt.Key)
	if len(text) > MaxStatus {
		return nil, fmt.Errorf("a status of %d octets is too long", len(text))
	}
	return text, nil
}

// oneLine keeps a value from starting a field of its own.
func oneLine(s string) string {
	s = strings.ToValidUTF8(s, "�")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
