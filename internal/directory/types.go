package directory

import (
	"time"

	"vanthu/internal/mail"
)

// UnitID is the key of a unit; 0 is none.
type UnitID int64

// AccountID is the key of an account; 0 is none.
type AccountID int64

// GroupID is the key of a group; 0 is none.
type GroupID int64

// Role is what an account may do for a unit. edoc.md, section 4.4.
type Role string

const (
	RoleClerk   Role = "vanthu"     // registers, numbers, issues, refuses
	RoleLeader  Role = "lanhdao"    // directs and assigns
	RoleStaff   Role = "chuyenvien" // works on what is assigned
	RoleAdmin   Role = "quantri"    // units, accounts, configuration
	RoleAuditor Role = "kiemtra"    // reads and verifies
)

// Roles returns all roles there are.
func Roles() []Role { return []Role{RoleClerk, RoleLeader, RoleStaff, RoleAdmin, RoleAuditor} }

func (r Role) known() bool {
	switch r {
	case RoleClerk, RoleLeader, RoleStaff, RoleAdmin, RoleAuditor:
		return true
	}
	return false
}

// State says what an account may still do.
type State string

const (
	Active   State = "active"   // everything
	Locked   State = "locked"   // gets mail, but nobody can log in
	Disabled State = "disabled" // neither: the address counts as unknown, the data stays
)

func (s State) known() bool { return s == Active || s == Locked || s == Disabled }

// Unit is an organisational unit, from one date to another. It is never
// deleted: what it did stays its own.
type Unit struct {
	ID          UnitID
	Code        string   // identifier by QĐ 20/2020/QĐ-TTg, "H18.26"; unique among units that exist
	LegacyCodes []string // identifiers of QCVN 102:2016, "000.00.26.H18"
	Name        string   // "Sở Y tế"
	ShortName   string   // viết tắt, "SYT"; also the name of the unit's folder
	Kind        string   // "sở", "xã", …: for people
	Parent      UnitID   // 0 at the top
	From        time.Time
	To          time.Time // when it ceased to exist; zero while it has not
	Successors  []UnitID  // who took over
	Address     mail.Address
	Aliases     []mail.Address // further addresses that lead here
	CatchAll    Domain         // the domain whose unknown addresses lead here too; "" for none
}

// Exists tells whether the unit is there at t.
func (u *Unit) Exists(t time.Time) bool {
	return !t.Before(u.From) && (u.To.IsZero() || t.Before(u.To))
}

// Assignment gives an account a role in a unit; unit 0 is the whole province.
type Assignment struct {
	Unit UnitID `json:"unit"`
	Role Role   `json:"role"`
}

// Account is one person's access.
type Account struct {
	ID       AccountID
	Login    mail.Address // lower case, ASCII
	Name     string       // as shown to others
	Roles    []Assignment
	QuotaMiB int64 // 0: the default of the configuration
	// QuotaMessages is how many messages its mailboxes may hold; 0: no limit.
	QuotaMessages int64
	State         State
	// Successor gets the mail of an account that was vacated; its sender is
	// told. The account is disabled then. Zero when it was not.
	Successor mail.Address
	Vacated   time.Time // since when, zero when it was not
}

// Group is an address for several.
type Group struct {
	ID      GroupID
	Address mail.Address
	Name    string
	Members []mail.Address // accounts, units, aliases, groups, or foreign addresses
	Post    PostPolicy     // who may post; "" is PostInside
	Posters []Poster       // of PostListed
}

// Alias is another address for somebody.
type Alias struct {
	Address mail.Address
	Target  mail.Address // may carry a detail, and may be foreign
}

// Domain is a mail domain in canonical form: lower case.
type Domain string
