package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/edxdrop"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailauth"
	"vanthu/internal/mailstore"
	"vanthu/internal/peer"
	"vanthu/internal/queue"
	"vanthu/internal/rules"
	"vanthu/internal/search"
	"vanthu/internal/sqldb"
	"vanthu/internal/transport"
	"vanthu/internal/workflow"
)

// Rooms are what the calls work on.
type Rooms struct {
	DB         *sqldb.DB
	Directory  *directory.Directory
	Mail       *mailstore.Store
	Documents  *docstore.Store
	Workflow   *workflow.Workflow
	Search     *search.Engine
	Queue      *queue.Queue
	Peers      *peer.Registry
	Transport  *transport.Runner
	EdXML      *edxdrop.Drop
	Keys       *mailauth.Keys
	Quarantine *delivery.Delivery // decides about held messages
	Rules      *rules.Store
}

// Options tunes a Service; the zero value works.
type Options struct {
	Version string           // of the program
	Started time.Time        // of the server, zero when none runs
	Now     func() time.Time // nil means time.Now
	// Counters gives the server's counters by name; nil when none runs.
	Counters func() map[string]int64
}

// Service carries out calls. Its methods may be called concurrently.
type Service struct {
	Rooms
	opt Options
}

// NewService returns a Service over rooms.
func NewService(rooms Rooms, opt Options) *Service {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Service{Rooms: rooms, opt: opt}
}

// calls is the table of everything that can be asked.
func calls() map[string]call {
	return map[string]call{
		CallStatus:         on((*Service).status),
		CallUnitList:       on((*Service).unitList),
		CallUnitAdd:        on((*Service).unitAdd),
		CallUnitSet:        on((*Service).unitSet),
		CallUnitClose:      on((*Service).unitClose),
		CallAccountList:    on((*Service).accountList),
		CallAccountAdd:     on((*Service).accountAdd),
		CallAccountSet:     on((*Service).accountSet),
		CallAccountImport:  on((*Service).accountImport),
		CallAppPasswords:   on((*Service).appPasswords),
		CallAppPasswordAdd: on((*Service).appPasswordAdd),
		CallAppPasswordEnd: on((*Service).appPasswordRevoke),
		CallAccountVacate:  on((*Service).accountVacate),
		CallRuleList:       on((*Service).ruleList),
		CallRuleAdd:        on((*Service).ruleAdd),
		CallRuleRemove:     on((*Service).ruleRemove),
		CallRuleMove:       on((*Service).ruleMove),
		CallSieveGet:       on((*Service).sieveGet),
		CallSievePut:       on((*Service).sievePut),
		CallSieveCheck:     on((*Service).sieveCheck),
		CallSieveTest:      on((*Service).sieveTest),
		CallAbsence:        on((*Service).absence),
		CallAbsenceSet:     on((*Service).absenceSet),
		CallGroupList:      on((*Service).groupList),
		CallGroupAdd:       on((*Service).groupAdd),
		CallGroupSet:       on((*Service).groupSet),
		CallGroupShow:      on((*Service).groupShow),
		CallGroupRemove:    on((*Service).groupRemove),
		CallAliasList:      on((*Service).aliasList),
		CallAliasAdd:       on((*Service).aliasAdd),
		CallAliasRemove:    on((*Service).aliasRemove),
		CallDomainAdd:      on((*Service).domainAdd),
		CallMailboxList:    on((*Service).mailboxList),
		CallMailboxRights:  on((*Service).mailboxRights),
		CallMailboxGrant:   on((*Service).mailboxGrant),
		CallMailboxSet:     on((*Service).mailboxSet),
		CallDelegationAdd:  on((*Service).delegationAdd),
		CallDelegationList: on((*Service).delegationList),
		CallDelegationEnd:  on((*Service).delegationRevoke),
		CallMailboxQuota:   on((*Service).mailboxQuota),
		CallUnitTime:       on((*Service).unitTime),
		CallUnitTimeSet:    on((*Service).unitTimeSet),
		CallReceiptShow:    on((*Service).receiptShow),
		CallDocumentDue:    on((*Service).documentDue),
		CallDocumentList:   on((*Service).documentList),
		CallDocumentShow:   on((*Service).documentShow),
		CallDocumentAct:    on((*Service).documentAct),
		CallDocumentRecall: on((*Service).documentRecall),
		CallDocumentFile:   on((*Service).documentFile),
		CallDocumentExport: on((*Service).documentExport),
		CallDocumentSearch: on((*Service).documentSearch),
		CallSavedList:      on((*Service).savedList),
		CallSavedRemove:    on((*Service).savedRemove),
		CallRegisterShow:   on((*Service).registerShow),
		CallRegisterList:   on((*Service).registerList),
		CallRegisterFix:    on((*Service).registerCorrect),
		CallRegisterVoid:   on((*Service).registerVoid),
		CallDraftList:      on((*Service).draftList),
		CallDraftAct:       on((*Service).draftAct),
		CallNumberReserve:  on((*Service).numberReserve),
		CallNumberList:     on((*Service).numberList),
		CallNumbering:      on((*Service).numbering),
		CallNumberingSet:   on((*Service).numberingSet),
		CallReport:         on((*Service).reportMake),
		CallConsultList:    on((*Service).consultList),
		CallConsultShow:    on((*Service).consultShow),
		CallConsultAnswer:  on((*Service).consultAnswer),
		CallConsultExtend:  on((*Service).consultExtend),
		CallConsultClose:   on((*Service).consultClose),
		CallCommentsList:   on((*Service).commentsList),
		CallCommentsShow:   on((*Service).commentsShow),
		CallDossierCreate:  on((*Service).dossierCreate),
		CallDossierAct:     on((*Service).dossierAct),
		CallDossierList:    on((*Service).dossierList),
		CallDossierShow:    on((*Service).dossierShow),
		CallQueueList:      on((*Service).queueList),
		CallQueueAct:       on((*Service).queueAct),
		CallQueueSummary:   on((*Service).queueSummary),
		CallProbe:          on((*Service).probe),
		CallPeerList:       on((*Service).peerList),
		CallPeerCard:       on((*Service).peerCard),
		CallPeerAdd:        on((*Service).peerAdd),
		CallPeerRemove:     on((*Service).peerRemove),
		CallDomainKeys:     on((*Service).domainKeys),
		CallDomainKeyAct:   on((*Service).domainKeyAct),
		CallHeldList:       on((*Service).heldList),
		CallHeldShow:       on((*Service).heldShow),
		CallHeldAct:        on((*Service).heldAct),
		CallJournalEntries: on((*Service).journalEntries),
	}
}

// actor names whoever has reached the control interface: an administrator at
// the command line.
func actor() journal.Actor { return journal.System("cli") }

// account finds the account that a login names.
func (s *Service) account(login string) (directory.Account, error) {
	a, err := mail.ParseAddress(login, true)
	if err != nil {
		return directory.Account{}, err
	}
	acct, ok := s.Directory.Snapshot().AccountByLogin(a)
	if !ok {
		return directory.Account{}, fault.New(fault.NotFound, fault.Text{
			EN: "there is no account " + login, VI: "không có tài khoản " + login,
		})
	}
	return acct, nil
}

// unit finds a unit by its code, its address or the local part of that, or its
// short name in any case.
func (s *Service) unit(name string) (directory.Unit, error) {
	snap := s.Directory.Snapshot()
	if u, ok := snap.UnitByCode(name); ok {
		return u, nil
	}
	if a, err := mail.ParseAddress(name, true); err == nil {
		if u, ok := snap.UnitByAddress(a); ok {
			return u, nil
		}
	}
	for _, u := range snap.Units() {
		if (strings.EqualFold(u.ShortName, name) || strings.EqualFold(u.Address.Local, name)) && u.Exists(s.opt.Now()) {
			return u, nil
		}
	}
	return directory.Unit{}, fault.New(fault.NotFound, fault.Text{
		EN: fmt.Sprintf("there is no unit %q; name it by code, short name or address", name),
		VI: fmt.Sprintf("không có đơn vị %q; hãy ghi mã, tên viết tắt hoặc địa chỉ", name),
	})
}

// CallStatus asks how the server is.
const CallStatus = "status"

// None is a request without anything to say.
type None struct{}

// Status is the answer to CallStatus.
type Status struct {
	Version  string           `json:"version"`
	Running  bool             `json:"running"`
	Started  time.Time        `json:"started,omitzero"`
	Units    int              `json:"units"`
	Accounts int              `json:"accounts"`
	Groups   int              `json:"groups"`
	Domains  []string         `json:"domains"`
	Journal  int64            `json:"journal_entries"`
	Queue    int              `json:"queue_items"`
	Counters map[string]int64 `json:"counters,omitempty"`
}

func (s *Service) status(ctx context.Context, _ None, _ Progress) (any, error) {
	snap := s.Directory.Snapshot()
	st := Status{
		Version: s.opt.Version, Running: !s.opt.Started.IsZero(), Started: s.opt.Started,
		Units: len(snap.Units()), Accounts: len(snap.Accounts()), Groups: len(snap.Groups()), Domains: snap.Domains(),
	}
	if s.opt.Counters != nil {
		st.Counters = s.opt.Counters()
	}
	err := s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		st.Journal, _, err = journal.Head(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	items, err := s.Queue.List(ctx, queue.Filter{})
	st.Queue = len(items)
	return st, err
}
