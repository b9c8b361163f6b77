package docstore

import (
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
)

// DocumentID is the key of a document inside this server; outside of it a
// document or dispatch is named by its ULID.
type DocumentID int64

// DispatchID is the key of a document on its way to one unit.
type DispatchID int64

// BookID is the key of a register.
type BookID int64

// ULID is the name of a document or dispatch outside this server.
type ULID string

// MailID is an RFC 5322 Message-ID with its angle brackets, "" for none.
type MailID string

// MessageRef is the number of a message in the mail store.
type MessageRef int64

// Place is where the message of a dispatch lies: a mailbox of the mail store
// and a UID in it. The zero Place means nowhere.
type Place struct {
	Mailbox int64
	UID     int64
}

// A Document is one official document, however many units received it.
type Document struct {
	ID          DocumentID
	ULID        ULID
	EdXMLID     string           // DocumentId of edXML, "" when there is none
	Issuer      directory.UnitID // 0: from outside
	IssuerName  string           // as the register shows it
	Number      int              // 0: not known
	Suffix      string
	Symbol      string // as written
	Code        string // "123/QĐ-UBND", "" when not known
	Year        int    // of the number, by Vietnam local date
	Issued      time.Time
	Type        edoc.DocType // Abbr and Name only
	Abstract    string       // trích yếu
	Urgency     edoc.Urgency
	Due         time.Time // zero: none
	Level       edoc.Level
	DuplicateOf DocumentID // 0: none
	Message     MessageRef
	MailID      MailID
	BodySHA256  [32]byte // of the message as received
	QueueID     string
	From        directory.AccountID // 0: from outside
	Created     time.Time
	State       DocumentState
}

// DocumentState says whether a document may still go to further units.
type DocumentState string

// The states of a document.
const (
	DocumentIssued   DocumentState = "issued"
	DocumentFrozen   DocumentState = "frozen"   // its sender has asked for it back
	DocumentRecalled DocumentState = "recalled" // every unit has given it back
	DocumentReplaced DocumentState = "replaced" // its sender has sent another one in its place
)

// FileRole says what a file of a document is.
type FileRole string

// The roles of files.
const (
	FileMain  FileRole = "main"
	FileAnnex FileRole = "annex"
	FileEdXML FileRole = "edxml"
	FileImage FileRole = "image"
	FileOther FileRole = "other"
)

// A File is an attachment of a document, described by its decoded octets.
type File struct {
	Role      FileRole
	Name      string
	MediaType string
	Size      int64 // octets
	SHA256    [32]byte
}

// Kind says whether a unit is to act on a document or only to know of it.
type Kind string

// The kinds of recipients.
const (
	KindMain Kind = "chinh"   // nơi nhận chính: acts on it
	KindInfo Kind = "de_biet" // để biết: for information
)

// A Dispatch is one document on its way to one unit.
type Dispatch struct {
	ID            DispatchID
	ULID          ULID
	Document      DocumentID
	To            directory.UnitID // 0: outside
	Address       string           // the address it was sent to
	Kind          Kind
	State         State
	Status        edoc.Status // last code told to the sender
	ArrivalYear   int         // of the book, 0 while not registered
	ArrivalNumber int         // số đến, 0 while not registered
	Arrived       time.Time
	Registered    time.Time // zero while not registered
	Completed     time.Time // zero while not completed
	Due           time.Time // zero: none
	Place         Place     // of its message in the unit's workflow folders
	Updated       time.Time
	Peer          string // the other vanthu server it goes to or comes from, "" for none
	Transfer      string // queue id at the sender's server, of one that crosses servers
	Named         string // the address that the sender's server wrote, of one that came from a peer
	Overlay       Overlay
	ChangeOf      DispatchID // that this one is to take the place of, 0 for none
	DueTier       DueTier    // who set Due, "" when nobody did
	Asked         Place      // of the message that tells of the sender's request
}

func (d Dispatch) standing() standing { return standing{d.State, d.Overlay, d.Status} }

// DueTier is who set a due time: who set it may change it, and who stands above.
type DueTier string

// The tiers, the lowest first.
const (
	DueDefault DueTier = "default" // the unit's rule
	DueClerk   DueTier = "clerk"
	DueLeader  DueTier = "leader"
	DueIssuer  DueTier = "issuer" // the document itself
)

// Source is the surface through which something was done.
type Source string

// The sources of events.
const (
	SourceIMAP   Source = "imap"
	SourceSMTP   Source = "smtp"
	SourceCLI    Source = "cli"
	SourcePortal Source = "portal"
	SourceSystem Source = "system"
	SourcePeer   Source = "peer"  // another server reports
	SourceEdXML  Source = "edxml" // another system reports by edXML
)

// A StatusEvent is one step in the life of a dispatch. Events are only added.
type StatusEvent struct {
	ID       int64
	Dispatch DispatchID
	Status   edoc.Status // a code, or [StatusUndone]
	At       time.Time
	Actor    journal.Actor
	Source   Source
	Reason   edoc.RefuseReason // "" for none
	Note     string
	Journal  int64 // sequence number of its entry in the journal
}

// In is a document that was accepted from a sender, with the units that it
// was delivered to. Everything in it is already durable or becomes so with
// the same transaction.
type In struct {
	Recognition edoc.Recognition
	Issuer      directory.UnitID // the sender's unit, 0: outside
	IssuerName  string           // column "Tác giả" of the recipients' registers
	From        directory.AccountID
	MailID      MailID
	Message     MessageRef
	BodySHA256  [32]byte // of the message as received, without our trace fields
	QueueID     string
	Files       []File
	Recipients  []Recipient // local units only
	Outside     []Outside   // units of peers; QueueID names the transfer to them
	Peer        string      // the peer that it came from, "" for none
	Transfer    string      // queue id at that peer
	Arrived     time.Time   // when it first came, of one that was handed over later; zero: now
	Actor       journal.Actor
	Source      Source
}

// A Recipient is a local unit into whose mailbox the message was delivered.
type Recipient struct {
	Unit    directory.UnitID
	Address mail.Address
	Kind    Kind   // "" means [KindMain]
	Place   Place  // where the unit's copy lies
	Named   string // the address that the sender wrote
	Name    string // as the sender's register shows it; "" is by its address
}

// An Outside is a unit of a peer that the document goes to.
type Outside struct {
	Address mail.Address
	Kind    Kind // "" means [KindMain]
	Peer    string
}

// Result is what [Store.Intake] made of an In.
type Result struct {
	Document    Document
	Dispatches  []Dispatch // in the order of In.Recipients
	Duplicate   *Document  // an earlier document of the same issuer, year, number and symbol
	Warnings    []Warning
	Resubmitted bool // the document and all its dispatches were there already; nothing was changed
}

// Issued is a document that was accepted into a transaction, for those who do
// what it means for others.
type Issued struct {
	Result
	Recognition edoc.Recognition
	By          directory.AccountID // 0: from outside
	Answers     []MailID            // In-Reply-To and References, the nearest first
}

// Replied is a message of somebody of ours that asks for something by the first
// lines of its text, or wants a document back.
type Replied struct {
	By       directory.AccountID
	MailID   MailID             // of the message
	Answers  []MailID           // In-Reply-To and References, the nearest first
	Units    []directory.UnitID // that it is addressed to
	ToServer bool               // it is addressed to the server
	Reply    edoc.Reply

	People   []directory.AccountID // that it is addressed to
	FromUnit directory.UnitID      // as which it is written, 0 for none
	Codes    []edoc.Code           // that it answers, by its tags
	Document bool                  // it is a document itself; only opinions of it count
	Message  MessageRef            // as it is stored
	Files    int                   // attached

	Recalls bool       // it wants a document back
	Code    *edoc.Code // which one; nil: that of the thread
	Reason  string     // why

	Failed error // why nothing of it could be done, when that was tried; nil: not tried
}
