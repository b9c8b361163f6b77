// Package receipt is the evidence that senders of documents get: what happened,
// when, where in the journal, signed with the server's key, so that anybody who
// has the public key can check it without the server. edoc.md §4.9 and §4.13;
// docs/formats/receipt.md.
package receipt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"vanthu/internal/fault"
	"vanthu/internal/journal"
)

// File is the name under which a receipt is attached to its message.
const File = "bien-nhan.json"

// Title begins what is signed.
const Title = "vanthu receipt v1"

// Kind says what a receipt proves.
type Kind string

// The kinds. edoc.md §4.9.
const (
	Accepted        Kind = "GUI_CHAP_NHAN"     // the server took the document in
	Refused         Kind = "GUI_TU_CHOI"       // it did not; said in the SMTP reply, never as a message
	Arrived         Kind = "DA_DEN"            // 01
	NoNews          Kind = "CHUA_DEN_CANH_BAO" // no 01 yet
	Undelivered     Kind = "KHONG_CHUYEN_DUOC" // refused for good on the way
	Expired         Kind = "HET_HAN_CHUYEN"    // no 01 in time
	Registered      Kind = "DA_TIEP_NHAN"      // 03
	Declined        Kind = "TU_CHOI"           // 02
	Assigned        Kind = "PHAN_CONG"         // 04
	Processing      Kind = "DANG_XU_LY"        // 05
	Completed       Kind = "HOAN_THANH"        // 06
	RecallRequested Kind = "YEU_CAU_THU_HOI"   // 13
	ChangeAccepted  Kind = "DONG_Y"            // 15
	ChangeRefused   Kind = "KHONG_DONG_Y"      // 16
	Held            Kind = "TAM_GIU"           // in quarantine
	Destroyed       Kind = "DA_TIEU_HUY"       // proof of destruction after a recall
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		Accepted, Refused, Arrived, NoNews, Undelivered, Expired, Registered, Declined, Assigned, Processing, Completed,
		RecallRequested, ChangeAccepted, ChangeRefused, Held, Destroyed,
	}
}

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// Usual reports whether receipts of that kind are sent when a unit has not said
// otherwise. An arrival stands in the receipt of the whole document already, and
// that work goes on is seen in the tracking message: as messages of their own
// they would bury the rest.
func (k Kind) Usual() bool { return k != Arrived && k != Processing && k != Refused }

// Name gives the Vietnamese heading.
func (k Kind) Name() string {
	switch k {
	case Accepted:
		return "BIÊN NHẬN GỬI"
	case Refused:
		return "TỪ CHỐI NHẬN GỬI"
	case Arrived:
		return "ĐÃ ĐẾN"
	case NoNews:
		return "CẢNH BÁO CHƯA ĐẾN"
	case Undelivered:
		return "KHÔNG CHUYỂN ĐƯỢC"
	case Expired:
		return "HẾT HẠN CHUYỂN"
	case Registered:
		return "ĐÃ TIẾP NHẬN"
	case Declined:
		return "TỪ CHỐI TIẾP NHẬN"
	case Assigned:
		return "ĐÃ PHÂN CÔNG"
	case Processing:
		return "ĐANG XỬ LÝ"
	case Completed:
		return "HOÀN THÀNH"
	case RecallRequested:
		return "YÊU CẦU THU HỒI, CẬP NHẬT"
	case ChangeAccepted:
		return "ĐỒNG Ý THU HỒI, CẬP NHẬT"
	case ChangeRefused:
		return "KHÔNG ĐỒNG Ý THU HỒI, CẬP NHẬT"
	case Held:
		return "TẠM GIỮ"
	case Destroyed:
		return "ĐÃ TIÊU HỦY"
	}
	return string(k)
}

// A Receipt is what is signed. Names of fields are a fixed format; fields may be
// added.
type Receipt struct {
	At       time.Time `json:"at"`
	Chain    Chain     `json:"chain"`
	Dispatch string    `json:"dispatch,omitempty"` // ULID
	Document Document  `json:"document"`
	From     Party     `json:"from"`
	Journal  int64     `json:"journal_seq,omitempty"` // of the event that it proves
	Kind     Kind      `json:"kind"`
	Note     string    `json:"note,omitempty"`
	Number   int       `json:"number,omitempty"` // số đến
	Reason   string    `json:"reason,omitempty"`
	Server   string    `json:"server"`
	Status   string    `json:"status,omitempty"`
	Title    string    `json:"title"`
	To       []Party   `json:"to"`
	Year     int       `json:"year,omitempty"` // of the book of Number
}

// Chain is where the journal stood when the receipt was made: to rewrite it, one
// would have to change what lies in the mailboxes of others.
type Chain struct {
	Head string `json:"head"` // hash of the newest entry, hex
	Seq  int64  `json:"seq"`
}

// Document names a document.
type Document struct {
	Abstract string   `json:"abstract,omitempty"`
	Code     string   `json:"code,omitempty"`
	Files    []Digest `json:"files"`
	ID       string   `json:"id"` // ULID
	Issued   string   `json:"issued,omitempty"`
	Message  string   `json:"message_sha256"`
}

// Digest names a file by what it holds.
type Digest struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Party is a unit or an organisation elsewhere.
type Party struct {
	Address  string `json:"address,omitempty"`
	Code     string `json:"code,omitempty"`
	Dispatch string `json:"dispatch,omitempty"` // in a receipt of the whole document
	Name     string `json:"name"`
	Status   string `json:"status,omitempty"` // the same: 01 when it has arrived
}

// Signed is a receipt as it is sent.
type Signed struct {
	Content []byte // of the file
	Code    Code
}

// Code is the short code of a receipt: twelve characters of the hash of what is signed.
type Code string

// String writes it in groups of four.
func (c Code) String() string {
	if len(c) != codeLen {
		return string(c)
	}
	return string(c[:4] + "-" + c[4:8] + "-" + c[8:])
}

const codeLen = 12

// crockford is an alphabet without letters that are taken for others.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func codeOf(text []byte) Code {
	sum := sha256.Sum256(text)
	var b strings.Builder
	bits, n := uint32(0), 0
	for _, c := range sum {
		bits, n = bits<<8|uint32(c), n+8
		for n >= 5 && b.Len() < codeLen {
			n -= 5
			b.WriteByte(crockford[bits>>n&31])
		}
	}
	return Code(b.String())
}

// ParseCode reads a code as people write it: any case, hyphens or not, O for 0,
// I and L for 1.
func ParseCode(s string) (Code, error) {
	s = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	if len(s) != codeLen || strings.Trim(s, crockford) != "" {
		return "", fault.New(fault.Invalid, fault.Text{
			EN: fmt.Sprintf("%q is no code of a receipt, such as K7M2-9QXP-4TAB", s),
			VI: fmt.Sprintf("%q không phải mã kiểm tra (ví dụ K7M2-9QXP-4TAB)", s),
		})
	}
	return Code(s), nil
}

// file is the content of [File].
type file struct {
	Receipt   json.RawMessage `json:"receipt"`
	Signature signature       `json:"signature"`
}

type signature struct {
	Algorithm string `json:"alg"`
	Key       string `json:"key"`
	Value     string `json:"value"` // base64
}

const algorithm = "Ed25519"

// Sign makes the file of a receipt.
func Sign(r Receipt, key *journal.Signer) (Signed, error) {
	r.Title = Title
	r.clean()
	text, err := canonical(r)
	if err != nil {
		return Signed{}, err
	}
	sig, err := key.Sign(journal.Statement{Title: Title, Text: string(text)})
	if err != nil {
		return Signed{}, err
	}
	content, err := canonical(file{text, signature{algorithm, key.Key(), base64.StdEncoding.EncodeToString(sig)}})
	return Signed{Content: content, Code: codeOf(text)}, err
}

// clean makes all texts such that their JSON has one form only.
func (r *Receipt) clean() {
	fix := func(list ...*string) {
		for _, s := range list {
			*s = strings.Map(func(c rune) rune {
				if unicode.IsControl(c) || c == 0x2028 || c == 0x2029 {
					return ' '
				}
				return c
			}, strings.ToValidUTF8(*s, "\uFFFD"))
		}
	}
	r.At = r.At.UTC().Truncate(time.Microsecond)
	fix(&r.Note, &r.Reason, &r.Server, &r.Status, &r.Document.Abstract, &r.Document.Code, &r.From.Name, &r.From.Code, &r.From.Address)
	for i := range r.To {
		fix(&r.To[i].Name, &r.To[i].Code, &r.To[i].Address)
	}
	for i := range r.Document.Files {
		fix(&r.Document.Files[i].Name)
	}
}

// canonical gives the JSON of RFC 8785: names in order, no blanks. All numbers
// here are whole and small, all names ASCII.
func canonical(v any) ([]byte, error) {
	text, err := encode(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("encode a receipt: %w", err)
	}
	return encode(tree) // maps are written in the order of their names
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode a receipt: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// MaxFile bounds the octets of a receipt.
const MaxFile = 4 << 20

// Open reads the file of a receipt and checks its signature by one of the public
// keys. It fails with fault.Invalid for what is no genuine receipt, and
// fault.NotFound when another key has signed it.
func Open(content []byte, keys []string) (Receipt, Code, error) {
	bad := func(why string) (Receipt, Code, error) {
		return Receipt{}, "", fault.New(fault.Invalid, fault.Text{EN: "this is no genuine receipt: " + why, VI: "biên nhận không đúng: " + why})
	}
	if len(content) > MaxFile {
		return bad("the file is too large")
	}
	var f file
	if err := json.Unmarshal(content, &f); err != nil {
		return bad("it is not JSON")
	}
	text, err := canonical(f.Receipt)
	if err != nil || f.Signature.Algorithm != algorithm {
		return bad("it has not the form of a receipt")
	}
	sig, err := base64.StdEncoding.DecodeString(f.Signature.Value)
	if err != nil {
		return bad("its signature is no base64")
	}
	if err := journal.VerifyStatement(keys, f.Signature.Key, journal.Statement{Title: Title, Text: string(text)}, sig); err != nil {
		return Receipt{}, "", err
	}
	var r Receipt
	if err := json.Unmarshal(text, &r); err != nil || r.Title != Title {
		return bad("it has not the form of a receipt")
	}
	return r, codeOf(text), nil
}
