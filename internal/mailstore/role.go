package mailstore

import (
	"strconv"
	"strings"

	"vanthu/internal/directory"
	"vanthu/internal/edoc"
)

// FolderRole says what a folder of a unit means for its documents; "" is a
// plain mailbox. Mailboxes with a role cannot be renamed or deleted.
type FolderRole string

// The roles.
const (
	RoleNone       FolderRole = ""
	RoleGroup      FolderRole = "nhom"        // a level above others, holds nothing
	RoleUnitInbox  FolderRole = "thu"         // ordinary mail to the unit's address
	RoleIncoming   FolderRole = "den.cho"     // arrived, waits for the clerk
	RoleRegistered FolderRole = "den.so"      // entered in the register
	RoleAssigned   FolderRole = "den.giao"    // the level above those who work on documents, holds nothing
	RoleProcessing FolderRole = "den.xuly"    // being worked on
	RoleCompleted  FolderRole = "den.xong"    // done
	RoleRefused    FolderRole = "den.tuchoi"  // the level above the reasons, holds nothing
	RoleNumbering  FolderRole = "di.cho"      // outgoing, drafts that wait for their number
	RoleIssued     FolderRole = "di.phathanh" // outgoing, issued
	RoleTracking   FolderRole = "theodoi"     // one living message per outgoing document
	RoleReceipts   FolderRole = "biennhan"    // evidence messages

	RoleAsked    FolderRole = "thuhoi"       // what senders ask about documents that were received, waits for an answer
	RoleAccepted FolderRole = "thuhoi.dongy" // agreed to: what is left of recalled documents
	RoleDeclined FolderRole = "thuhoi.tuchoi"
	RoleReplaced FolderRole = "thuhoi.thaythe" // documents in whose place others came
	RoleHeld     FolderRole = "tamgiu"         // in quarantine, seen by nobody in the unit

	RoleHandOver FolderRole = "chuyenvanthu" // an account's: what it passes on to the clerks of its unit

	RoleTasks       FolderRole = "viec"        // an account's: the level above what it works on, holds nothing
	RoleTaskWaiting FolderRole = "viec.cho"    // assigned, not begun
	RoleTaskWorking FolderRole = "viec.xuly"   // being worked on
	RoleTaskSoon    FolderRole = "viec.saphan" // due within a working day
	RoleTaskLate    FolderRole = "viec.quahan" // due time has passed

	RoleBooks FolderRole = "so" // the level above the registers, and of each year, holds nothing
)

// RoleBook gives the role of the folder that shows a unit's register of a year:
// direction is "den" or "di".
func RoleBook(direction string, year int) FolderRole {
	return RoleBooks + "." + FolderRole(direction) + "." + FolderRole(strconv.Itoa(year))
}

// IsBook tells whether such a folder shows a register.
func (r FolderRole) IsBook() bool { return strings.HasPrefix(string(r), string(RoleBooks)+".d") }

// IsTask tells whether such a folder shows what an account works on.
func (r FolderRole) IsTask() bool { return strings.HasPrefix(string(r), string(RoleTasks)+".") }

// Keeps tells whether messages leave such a folder by the workflow alone: it
// holds documents, or what the server shows of them. Of what it gives to one
// account, that one may delete its copies; what waits for its number is still a draft.
func (r FolderRole) Keeps() bool {
	return r != RoleNone && r != RoleUnitInbox && r != RoleNumbering && r != RoleHandOver && !r.IsTask()
}

// RoleAssignedTo gives the role of the folder of documents that an account is
// in charge of.
func RoleAssignedTo(a directory.AccountID) FolderRole {
	return RoleAssigned + "." + FolderRole(strconv.FormatInt(int64(a), 10))
}

// Assignee gives the account whose folder it is, and false for every other role.
func (r FolderRole) Assignee() (directory.AccountID, bool) {
	text, ok := strings.CutPrefix(string(r), string(RoleAssigned)+".")
	id, err := strconv.ParseInt(text, 10, 64)
	return directory.AccountID(id), ok && err == nil && id > 0
}

// RoleRefusedFor gives the role of the folder that refuses for reason r.
func RoleRefusedFor(r edoc.RefuseReason) FolderRole {
	return RoleRefused + "." + FolderRole(r)
}

// Reason gives the reason that a refusal folder stands for, and false for
// every other role.
func (r FolderRole) Reason() (edoc.RefuseReason, bool) {
	code, ok := strings.CutPrefix(string(r), string(RoleRefused)+".")
	reason := edoc.RefuseReason(code)
	return reason, ok && reason.Valid()
}

// folder is a default mailbox.
type folder struct {
	name string
	role FolderRole
	use  Use
}

// inbox is the one name that every account has. RFC 9051, section 5.1.
const inbox = "INBOX"

// accountFolders are ASCII on purpose where they have a use: clients show those
// in the reader's language, and a translated name would only make them add
// their own beside it.
func accountFolders() []folder {
	return []folder{
		{name: inbox},
		{name: "Drafts", use: UseDrafts},
		{name: "Sent", use: UseSent},
		{name: "Junk", use: UseJunk},
		{name: "Trash", use: UseTrash},
		{name: "Archive", use: UseArchive},
		handOver(),
	}
}

func handOver() folder { return folder{name: "Chuyển văn thư", role: RoleHandOver} }

func taskFolders() []folder {
	return []folder{
		{name: "Việc của tôi", role: RoleTasks},
		{name: "Việc của tôi/Chờ", role: RoleTaskWaiting},
		{name: "Việc của tôi/Đang xử lý", role: RoleTaskWorking},
		{name: "Việc của tôi/Sắp hạn", role: RoleTaskSoon},
		{name: "Việc của tôi/Quá hạn", role: RoleTaskLate},
	}
}

func unitFolders() []folder {
	list := []folder{
		{name: "Thư đến", role: RoleUnitInbox},
		{name: "Văn bản đến", role: RoleGroup},
		{name: "Văn bản đến/1 Chờ tiếp nhận", role: RoleIncoming},
		{name: "Văn bản đến/2 Đã vào sổ", role: RoleRegistered},
		{name: assignedFolder, role: RoleAssigned},
		{name: "Văn bản đến/4 Đang xử lý", role: RoleProcessing},
		{name: "Văn bản đến/5 Hoàn thành", role: RoleCompleted},
		{name: "Văn bản đến/0 Từ chối", role: RoleRefused},
	}
	for _, r := range edoc.RefuseReasons() {
		if name := r.Folder(); name != "" {
			list = append(list, folder{name: "Văn bản đến/0 Từ chối/" + name, role: RoleRefusedFor(r)})
		}
	}
	return append(list,
		folder{name: "Văn bản đi", role: RoleGroup},
		folder{name: "Văn bản đi/1 Chờ cấp số", role: RoleNumbering},
		folder{name: "Văn bản đi/2 Đã phát hành", role: RoleIssued},
		folder{name: "Theo dõi", role: RoleTracking},
		folder{name: "Biên nhận", role: RoleReceipts},
		folder{name: "Thu hồi", role: RoleAsked},
		folder{name: "Thu hồi/Đồng ý", role: RoleAccepted},
		folder{name: "Thu hồi/Không đồng ý", role: RoleDeclined},
		folder{name: "Thu hồi/Đã thay thế", role: RoleReplaced},
		folder{name: "Tạm giữ", role: RoleHeld},
	)
}

// assignedFolder is the level above the folders of people.
const assignedFolder = "Văn bản đến/3 Phân công"

// isLevel reports whether such a folder is only a level of the tree.
func (r FolderRole) isLevel() bool {
	switch r {
	case RoleGroup, RoleRefused, RoleAssigned, RoleTasks, RoleBooks:
		return true
	}
	return false
}

// selectable reports whether a default folder can hold messages.
func (f folder) selectable() bool {
	return !f.role.isLevel()
}
