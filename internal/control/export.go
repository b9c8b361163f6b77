package control

import (
	"context"
	"fmt"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/report"
	"vanthu/internal/sqldb"
)

// reader finds who reads the registers and reports of a unit, 0 for the whole
// province: its clerks and leaders, auditors and administrators may. edoc.md §4.4.
func (s *Service) reader(login string, unit directory.UnitID) (journal.Actor, error) {
	if login == "" {
		return actor(), nil
	}
	who, err := s.account(login)
	if err != nil {
		return journal.Actor{}, err
	}
	snap := s.Directory.Snapshot()
	for _, role := range []directory.Role{directory.RoleClerk, directory.RoleLeader, directory.RoleAuditor, directory.RoleAdmin} {
		if snap.HasRole(who.ID, unit, role) {
			return journal.Actor{Kind: journal.ActorAccount, ID: int64(who.ID), Name: who.Login.String()}, nil
		}
	}
	name := fault.Text{EN: "the whole province", VI: "toàn tỉnh"}
	if u, ok := snap.Unit(unit); ok {
		name = fault.Text{EN: u.Name, VI: u.Name}
	}
	return journal.Actor{}, fault.New(fault.Denied, fault.Text{
		EN: fmt.Sprintf("%s is neither clerk nor leader of %s, nor auditor or administrator", login, name.EN),
		VI: fmt.Sprintf("%s không phải văn thư, lãnh đạo của %s, cũng không phải người kiểm tra hay quản trị", login, name.VI),
	})
}

// parentOf is the name of the agency above a unit, "" for none.
func (s *Service) parentOf(u directory.Unit) string {
	parent, _ := s.Directory.Snapshot().Unit(u.Parent)
	return parent.Name
}

// exportData is the evidence of a file that was made of a register or report.
type exportData struct {
	Report    string             `json:"report"`
	Direction docstore.Direction `json:"direction,omitempty"`
	Year      int                `json:"year,omitempty"`
	AsOf      time.Time          `json:"as_of,omitzero"`
	Format    report.Format      `json:"format"`
	Rows      int                `json:"rows"`
	Head      string             `json:"head,omitempty"`
}

// recordExport has the journal know who took a file with documents out.
// NĐ 30/2020/NĐ-CP, Phụ lục VI, III.6: use is logged.
func (s *Service) recordExport(ctx context.Context, who journal.Actor, unit directory.UnitID, data exportData) error {
	return s.DB.Update(ctx, func(tx *sqldb.Tx) error {
		_, err := journal.Append(ctx, tx, journal.Event{
			At: s.opt.Now(), Type: "report.exported", Actor: who, Subject: data.Report, Unit: int64(unit), Data: data,
		})
		return err
	})
}
