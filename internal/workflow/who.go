package workflow

import (
	"context"
	"fmt"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// who says which people may do something. edoc.md §4.3 and §4.4.
type who struct {
	roles    []directory.Role        // of the unit concerned
	assigned []docstore.AssigneeRole // to whom the dispatch was given
	assigner bool                    // or who gave it
	nobody   bool                    // only the server
}

// whoMay is the column "Who" of the state machine. Registers are the clerk's
// alone; what is assigned is worked on by those it was assigned to.
func whoMay(d docstore.Dispatch, e docstore.Event) who {
	clerk, leader := directory.RoleClerk, directory.RoleLeader
	lead, assist := docstore.RoleLead, docstore.RoleAssist
	switch e {
	case docstore.EventAssign:
		return who{roles: []directory.Role{leader, clerk}}
	case docstore.EventReassign:
		return who{roles: []directory.Role{leader}, assigner: true}
	case docstore.EventReturn:
		return who{assigned: []docstore.AssigneeRole{lead}}
	case docstore.EventStart:
		if d.State == docstore.StateAssigned {
			return who{assigned: []docstore.AssigneeRole{lead, assist}}
		}
		return who{roles: []directory.Role{clerk, directory.RoleStaff}}
	case docstore.EventComplete:
		return who{roles: []directory.Role{clerk}, assigned: []docstore.AssigneeRole{lead}}
	case docstore.EventReopen:
		return who{roles: []directory.Role{leader}}
	case docstore.EventExtend:
		return who{roles: []directory.Role{leader, clerk}}
	case docstore.EventQuarantine, docstore.EventRelease, docstore.EventDrop:
		return who{roles: []directory.Role{directory.RoleAdmin}}
	case docstore.EventExpire:
		return who{nobody: true}
	}
	return who{roles: []directory.Role{clerk}}
}

// bySender reports whether it is the sender's unit that does e.
func bySender(e docstore.Event) bool {
	switch e {
	case docstore.EventRecall, docstore.EventUpdate, docstore.EventReplace, docstore.EventWithdraw:
		return true
	}
	return false
}

// may checks whether the actor may do e to d, and gives the unit in whose name
// and the role that counts: of what senders ask the sender's unit, of an
// assignee staff.
func (b *deed) may(
	ctx context.Context, r sqldb.Reader, d docstore.Dispatch, e docstore.Event,
) (id directory.UnitID, role directory.Role, err error) {
	id = d.To
	if bySender(e) {
		doc, err := docstore.DocumentByID(ctx, r, d.Document)
		if err != nil {
			return id, "", err
		}
		id = doc.Issuer
	}
	w := whoMay(d, e)
	for _, role := range w.roles {
		if role == directory.RoleAdmin && b.isAdmin() || role != directory.RoleAdmin && b.units.HasRole(b.actor.ID, id, role) {
			return id, role, nil
		}
	}
	if len(w.assigned) > 0 || w.assigner {
		list, err := docstore.Assignees(ctx, r, d.ID)
		if err != nil {
			return id, "", err
		}
		for _, a := range list {
			if a.Account == b.actor.ID && slices.Contains(w.assigned, a.Role) {
				return id, directory.RoleStaff, nil
			}
			if w.assigner && a.By == b.actor.ID {
				return id, b.roleIn(id), nil
			}
		}
	}
	return id, "", b.errDenied(id, w, e)
}

func (b *deed) isAdmin() bool {
	return slices.ContainsFunc(b.actor.Roles, func(a directory.Assignment) bool { return a.Role == directory.RoleAdmin })
}

func (b *deed) roleIn(id directory.UnitID) directory.Role {
	for _, r := range []directory.Role{directory.RoleLeader, directory.RoleClerk} {
		if b.units.HasRole(b.actor.ID, id, r) {
			return r
		}
	}
	return directory.RoleStaff
}

func (b *deed) errDenied(id directory.UnitID, w who, e docstore.Event) error {
	unit, _ := b.units.Unit(id)
	if unit.Name == "" {
		unit.Name = "đơn vị"
	}
	var en, vi string
	add := func(e, v string) {
		if en != "" {
			en, vi = en+" or ", vi+" hoặc "
		}
		en, vi = en+e, vi+v
	}
	for _, r := range w.roles {
		switch r {
		case directory.RoleClerk:
			add("a clerk of "+unit.Name, "văn thư của "+unit.Name)
		case directory.RoleLeader:
			add("a leader of "+unit.Name, "lãnh đạo của "+unit.Name)
		case directory.RoleStaff:
			add("a staff member of "+unit.Name, "chuyên viên của "+unit.Name)
		case directory.RoleAdmin:
			add("an administrator", "quản trị viên")
		case directory.RoleAuditor:
		}
	}
	if w.assigner {
		add("who assigned it", "người đã phân công")
	}
	if len(w.assigned) > 0 {
		add("the person in charge of it", "người được giao chủ trì")
	}
	if w.nobody || en == "" {
		en, vi = "the server", "hệ thống"
	}
	what := eventName(e)
	return fault.New(fault.Denied, fault.Text{
		EN: fmt.Sprintf("only %s may %s", en, what.EN), VI: fmt.Sprintf("chỉ %s được %s", vi, what.VI),
	})
}

// checkPeople refuses to give a document to somebody who is not of the unit.
func (b *deed) checkPeople(unit directory.Unit, list []docstore.Assignee) error {
	for _, x := range list {
		a, ok := b.units.Account(x.Account)
		if !ok || a.State != directory.Active || !slices.ContainsFunc(a.Roles, func(r directory.Assignment) bool { return r.Unit == unit.ID }) {
			return fault.New(fault.Invalid, fault.Text{
				EN: "documents are assigned to people of " + unit.Name + " only", VI: "chỉ phân công cho người của " + unit.Name,
			})
		}
	}
	return nil
}

// tierOf gives whose due time it is that somebody sets.
func tierOf(r directory.Role) docstore.DueTier {
	if r == directory.RoleLeader {
		return docstore.DueLeader
	}
	return docstore.DueClerk
}

func eventName(e docstore.Event) fault.Text {
	switch e {
	case docstore.EventRegister:
		return fault.Text{EN: "register a document", VI: "vào sổ văn bản"}
	case docstore.EventRefuse:
		return fault.Text{EN: "refuse a document", VI: "từ chối tiếp nhận văn bản"}
	case docstore.EventStart:
		return fault.Text{EN: "begin to work on a document", VI: "chuyển văn bản sang xử lý"}
	case docstore.EventComplete:
		return fault.Text{EN: "complete a document", VI: "kết thúc xử lý văn bản"}
	case docstore.EventDismiss:
		return fault.Text{EN: "say that this is ordinary mail", VI: "xác nhận đây là thư thường"}
	case docstore.EventUndo:
		return fault.Text{EN: "take a registration back", VI: "hoàn tác việc vào sổ"}
	case docstore.EventAssign, docstore.EventReassign:
		return fault.Text{EN: "assign a document", VI: "phân công xử lý văn bản"}
	case docstore.EventReturn:
		return fault.Text{EN: "hand a document back", VI: "chuyển lại văn bản"}
	case docstore.EventReopen:
		return fault.Text{EN: "reopen a document", VI: "mở lại văn bản đã hoàn thành"}
	case docstore.EventExtend:
		return fault.Text{EN: "change the due time of a document", VI: "gia hạn xử lý văn bản"}
	case docstore.EventRecall:
		return fault.Text{EN: "recall a document", VI: "thu hồi văn bản"}
	case docstore.EventUpdate, docstore.EventReplace:
		return fault.Text{EN: "replace a document", VI: "cập nhật, thay thế văn bản"}
	case docstore.EventAccept, docstore.EventDecline:
		return fault.Text{EN: "answer the sender's request", VI: "trả lời đề nghị của bên gửi"}
	case docstore.EventQuarantine, docstore.EventRelease, docstore.EventDrop:
		return fault.Text{EN: "deal with documents in quarantine", VI: "tạm giữ, giải tỏa văn bản"}
	case docstore.EventWithdraw:
		return fault.Text{EN: "withdraw a document", VI: "rút lại văn bản chưa gửi"}
	}
	return fault.Text{EN: "do this", VI: "thực hiện thao tác này"}
}
