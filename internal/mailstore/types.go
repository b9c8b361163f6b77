package mailstore

import (
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
)

// MailboxID is the key of a mailbox; 0 is none.
type MailboxID int64

// MessageID is the key of a stored message, which may be in any number of
// mailboxes; 0 is none.
type MessageID int64

// UID numbers the entries of one mailbox; never 0. RFC 9051, section 2.3.1.1.
type UID uint32

// ModSeq orders the changes of one mailbox; at most 63 bits. RFC 7162.
type ModSeq uint64

// Owner is whose mailbox it is: exactly one of the two is set.
type Owner struct {
	Account directory.AccountID
	Unit    directory.UnitID
}

// Valid reports whether exactly one of the two is set.
func (o Owner) Valid() bool {
	return (o.Account > 0 && o.Unit == 0) || (o.Account == 0 && o.Unit > 0)
}

// Mailbox is a mailbox with its counters at one moment.
type Mailbox struct {
	ID          MailboxID
	Owner       Owner
	Name        string     // NFC, '/' between levels, without a namespace prefix
	Use         Use        // "" for none
	Role        FolderRole // "" for a plain mailbox
	Selectable  bool       // false: a mere level of the tree, holds nothing
	UIDValidity uint32
	UIDNext     UID
	ModSeq      ModSeq // highest used, RFC 7162
	Messages    int64
	Unseen      int64
	Deleted     int64
	Octets      int64
	Created     time.Time
	PerUser     bool   // \Seen is each account's own; then Unseen is of who was asked for, see [Store.ListFor]
	Visible     ModSeq // of the last change that who was asked for can see; ModSeq unless PerUser

	public ModSeq
}

// Use is a special use of RFC 6154, with its backslash; "" is none.
type Use string

// The special uses. RFC 6154, section 2.
const (
	UseNone    Use = ""
	UseArchive Use = `\Archive`
	UseDrafts  Use = `\Drafts`
	UseJunk    Use = `\Junk`
	UseSent    Use = `\Sent`
	UseTrash   Use = `\Trash`
)

// FlagSet is the flags of an entry as bits: five system flags, then the
// keywords of its mailbox (see [Version.Keywords]).
type FlagSet uint64

// The system flags. RFC 9051, section 2.3.2. \Recent does not exist here.
const (
	Seen FlagSet = 1 << iota
	Answered
	Flagged
	Deleted
	Draft

	// SystemFlags is all of them.
	SystemFlags = Seen | Answered | Flagged | Deleted | Draft
)

// keywordShift is the bit of the first keyword; MaxKeywords is how many a
// mailbox can have, MaxKeywordLen how many octets one of them.
const (
	keywordShift  = 5
	MaxKeywords   = 64 - keywordShift
	MaxKeywordLen = 64
)

// Keyword gives the flag of the i-th keyword of a mailbox, i < MaxKeywords.
func Keyword(i int) FlagSet { return 1 << (keywordShift + i) }

// Flags is system flags and keywords by name, for any mailbox. Keywords are
// compared without regard to ASCII case; the first spelling is kept.
type Flags struct {
	System   FlagSet // bits beyond SystemFlags are not looked at
	Keywords []string
}

// Limits that clients meet.
const (
	MaxName      = 255   // octets of a mailbox name
	MaxDepth     = 20    // levels of a mailbox name
	MaxMailboxes = 2_000 // of one owner
)

// Errors. All of them carry a kind and a sentence for people.
var (
	// ErrOverQuota: the owner of the mailbox has no room for the message.
	ErrOverQuota = fault.New(fault.Exhausted, fault.Text{
		EN: "the mailbox is over its quota", VI: "hộp thư đã vượt dung lượng cho phép",
	})
	// ErrNoMailbox: there is no such mailbox, or it cannot hold messages.
	ErrNoMailbox = fault.New(fault.NotFound, fault.Text{
		EN: "there is no such mailbox", VI: "không có thư mục này",
	})
	// ErrNoMessage: there is no such message.
	ErrNoMessage = fault.New(fault.NotFound, fault.Text{
		EN: "there is no such message", VI: "không có thư này",
	})
	// ErrExists: a mailbox of this name exists.
	ErrExists = fault.New(fault.Conflict, fault.Text{
		EN: "a mailbox of this name exists already", VI: "đã có thư mục mang tên này",
	})
	// ErrBadName: not a name that a mailbox can have.
	ErrBadName = fault.New(fault.Invalid, fault.Text{
		EN: "this is not a valid mailbox name", VI: "tên thư mục không hợp lệ",
	})
	// ErrProtected: the mailbox belongs to the document workflow, or is INBOX,
	// and cannot be renamed or deleted.
	ErrProtected = fault.New(fault.Denied, fault.Text{
		EN: "this mailbox cannot be renamed or deleted", VI: "không được đổi tên hoặc xoá thư mục này",
	})
	// ErrHasChildren: a level that holds nothing still has mailboxes below it.
	ErrHasChildren = fault.New(fault.Conflict, fault.Text{
		EN: "the mailbox has mailboxes below it", VI: "thư mục này còn thư mục con",
	})
	// ErrTooMany: the owner has as many mailboxes as the server allows.
	ErrTooMany = fault.New(fault.Exhausted, fault.Text{
		EN: "too many mailboxes", VI: "đã đạt số thư mục tối đa",
	})
	// ErrBadKeyword: not an atom of RFC 9051 of at most 64 characters.
	ErrBadKeyword = fault.New(fault.Invalid, fault.Text{
		EN: "this is not a valid flag", VI: "nhãn không hợp lệ",
	})
	// ErrTooManyKeywords: the mailbox has as many keywords as it can.
	ErrTooManyKeywords = fault.New(fault.Exhausted, fault.Text{
		EN: "too many different flags in this mailbox", VI: "thư mục có quá nhiều nhãn khác nhau",
	})
	// ErrDamaged: stored bytes are not what was stored. They are never served.
	ErrDamaged = fault.New(fault.Temporary, fault.Text{
		EN: "the message is damaged in the server's storage", VI: "thư lưu trên máy chủ bị hỏng",
	})
)
