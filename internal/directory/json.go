package directory

import (
	"encoding/json"
	"time"

	"vanthu/internal/mail"
)

// The listings of the command line and the control socket show these types as
// JSON, with addresses as texts. The names are fixed.

// written is an address that JSON shows as text.
type written mail.Address

// MarshalText gives the address as SMTP writes it.
func (w written) MarshalText() ([]byte, error) { return []byte(mail.Address(w).String()), nil }

// UnmarshalText reads what MarshalText gives.
func (w *written) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*w = written{}
		return nil
	}
	a, err := mail.ParseAddress(string(b), true)
	*w = written(a)
	return err
}

func write(list []mail.Address) []written {
	out := make([]written, len(list))
	for i, a := range list {
		out[i] = written(a)
	}
	return out
}

func unwrite(list []written) []mail.Address {
	if len(list) == 0 {
		return nil
	}
	out := make([]mail.Address, len(list))
	for i, a := range list {
		out[i] = mail.Address(a)
	}
	return out
}

type unitJSON struct {
	ID          UnitID    `json:"id"`
	Code        string    `json:"code"`
	LegacyCodes []string  `json:"legacy_codes,omitempty"`
	Name        string    `json:"name"`
	ShortName   string    `json:"short_name"`
	Kind        string    `json:"kind"`
	Parent      UnitID    `json:"parent,omitempty"`
	From        time.Time `json:"from,omitzero"`
	To          time.Time `json:"to,omitzero"`
	Successors  []UnitID  `json:"successors,omitempty"`
	Address     written   `json:"address"`
	Aliases     []written `json:"aliases,omitempty"`
	CatchAll    Domain    `json:"catch_all,omitempty"`
}

// MarshalJSON gives the unit as listings show it.
func (u Unit) MarshalJSON() ([]byte, error) {
	return json.Marshal(unitJSON{
		u.ID, u.Code, u.LegacyCodes, u.Name, u.ShortName, u.Kind, u.Parent, u.From, u.To, u.Successors,
		written(u.Address), write(u.Aliases), u.CatchAll,
	})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (u *Unit) UnmarshalJSON(b []byte) error {
	var j unitJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*u = Unit{
		j.ID, j.Code, j.LegacyCodes, j.Name, j.ShortName, j.Kind, j.Parent, j.From, j.To, j.Successors,
		mail.Address(j.Address), unwrite(j.Aliases), j.CatchAll,
	}
	return nil
}

type accountJSON struct {
	ID            AccountID    `json:"id"`
	Login         written      `json:"login"`
	Name          string       `json:"name"`
	Roles         []Assignment `json:"roles"`
	QuotaMiB      int64        `json:"quota_mib"`
	QuotaMessages int64        `json:"quota_messages,omitempty"`
	State         State        `json:"state"`

	Successor written   `json:"successor,omitzero"`
	Vacated   time.Time `json:"vacated,omitzero"`
}

// MarshalJSON gives the account as listings show it.
func (a Account) MarshalJSON() ([]byte, error) {
	roles := a.Roles
	if roles == nil {
		roles = []Assignment{}
	}
	return json.Marshal(accountJSON{a.ID, written(a.Login), a.Name, roles, a.QuotaMiB, a.QuotaMessages, a.State, written(a.Successor), a.Vacated})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (a *Account) UnmarshalJSON(b []byte) error {
	var j accountJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*a = Account{j.ID, mail.Address(j.Login), j.Name, j.Roles, j.QuotaMiB, j.QuotaMessages, j.State, mail.Address(j.Successor), j.Vacated}
	return nil
}

type groupJSON struct {
	ID      GroupID   `json:"id"`
	Address written   `json:"address"`
	Name    string    `json:"name"`
	Members []written `json:"members"`

	Post    PostPolicy `json:"post,omitempty"`
	Posters []Poster   `json:"posters,omitempty"`
}

// MarshalJSON gives the group as listings show it.
func (g Group) MarshalJSON() ([]byte, error) {
	return json.Marshal(groupJSON{g.ID, written(g.Address), g.Name, write(g.Members), g.Post, g.Posters})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (g *Group) UnmarshalJSON(b []byte) error {
	var j groupJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*g = Group{j.ID, mail.Address(j.Address), j.Name, unwrite(j.Members), j.Post, j.Posters}
	return nil
}

type aliasJSON struct {
	Address written `json:"address"`
	Target  written `json:"target"`
}

// MarshalJSON gives the alias as listings show it.
func (a Alias) MarshalJSON() ([]byte, error) {
	return json.Marshal(aliasJSON{written(a.Address), written(a.Target)})
}

// UnmarshalJSON reads what MarshalJSON gives.
func (a *Alias) UnmarshalJSON(b []byte) error {
	var j aliasJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*a = Alias{mail.Address(j.Address), mail.Address(j.Target)}
	return nil
}
