package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vanthu/internal/directory"
	"vanthu/internal/fault"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/rules"
	"vanthu/internal/sieve"
)

// Calls about rules, scripts and notices of absence.
const (
	CallRuleList   = "rule.list"   // RuleOwner → []rules.Rule
	CallRuleAdd    = "rule.add"    // RuleAdd → []rules.Rule
	CallRuleRemove = "rule.remove" // RuleRemove → rules.Rule
	CallRuleMove   = "rule.move"   // RuleMove → []rules.Rule
	CallSieveGet   = "sieve.get"   // RuleOwner → SieveText
	CallSievePut   = "sieve.put"   // SievePut → None
	CallSieveCheck = "sieve.check" // SieveText → None
	CallSieveTest  = "sieve.test"  // SieveTest → SieveOutcome
	CallAbsence    = "absence.get" // RuleOwner → Absence
	CallAbsenceSet = "absence.set" // AbsenceSet → Absence
)

// RuleOwner is whose rules are meant, and who asks: an account named in By must
// be the owner, or a clerk or leader of the unit. Without it the administrator
// at the command line acts.
type RuleOwner struct {
	Account string `json:"account,omitempty"`
	Unit    string `json:"unit,omitempty"`
	By      string `json:"by,omitempty"`
}

// RuleAdd adds a rule, as the last one when At is 0.
type RuleAdd struct {
	RuleOwner
	Rule rules.Rule `json:"rule"`
	At   int        `json:"at,omitempty"`
}

// RuleRemove removes rule N, from 1.
type RuleRemove struct {
	RuleOwner
	N      int  `json:"n"`
	DryRun bool `json:"dry_run,omitempty"`
}

// RuleMove makes rule N the one with number To.
type RuleMove struct {
	RuleOwner
	N  int `json:"n"`
	To int `json:"to"`
}

// SieveText is a script, and the one that the rule table becomes.
type SieveText struct {
	Text  string `json:"text"`
	Rules string `json:"rules,omitempty"`
}

// SievePut replaces a script; an empty one takes it away.
type SievePut struct {
	RuleOwner
	Text string `json:"text"`
}

// SieveTest asks what would become of a message: by Text, or by what the owner has.
type SieveTest struct {
	RuleOwner
	Text    string `json:"text,omitempty"`
	Message []byte `json:"message"`
	From    string `json:"from,omitempty"` // reverse-path; "" is null
	To      string `json:"to,omitempty"`   // "" is the owner's own address
}

// SieveOutcome is what would become of a message.
type SieveOutcome struct {
	Actions []SieveAction `json:"actions"` // none: it is thrown away
	Answer  string        `json:"answer,omitempty"`
	Error   string        `json:"error,omitempty"`
	Steps   int           `json:"steps"`
}

// SieveAction is one thing that would be done: keep, file or redirect.
type SieveAction struct {
	Do      string   `json:"do"`
	Mailbox string   `json:"mailbox,omitempty"`
	Flags   []string `json:"flags,omitempty"`
	To      string   `json:"to,omitempty"`
}

// Absence is a notice of absence; Away is false when there is none.
type Absence struct {
	Away bool `json:"away"`
	rules.Absence
}

// AbsenceSet says that somebody is away, or back.
type AbsenceSet struct {
	RuleOwner
	Back   bool          `json:"back,omitempty"`
	Notice rules.Absence `json:"notice"`
}

// ruleOwner finds the owner, who acts, and the owner's address.
func (s *Service) ruleOwner(req RuleOwner) (o rules.Owner, by journal.Actor, own mail.Address, err error) {
	box, err := s.owner(req.Account, req.Unit)
	if err != nil {
		return o, by, own, err
	}
	o = rules.Owner(box)
	snap := s.Directory.Snapshot()
	if a, ok := snap.Account(o.Account); ok {
		own = a.Login
	} else if u, ok := snap.Unit(o.Unit); ok {
		own = u.Address
	}
	if req.By == "" {
		return o, actor(), own, nil
	}
	a, err := s.account(req.By)
	if err != nil {
		return o, by, own, err
	}
	may := o.Account == a.ID
	if o.Unit != 0 {
		may = snap.HasRole(a.ID, o.Unit, directory.RoleClerk) || snap.HasRole(a.ID, o.Unit, directory.RoleLeader)
	}
	if !may {
		return o, by, own, fault.New(fault.Denied, fault.Text{
			EN: "only the clerks and leaders of a unit set its rules, and everybody their own",
			VI: "chỉ văn thư và lãnh đạo đặt quy tắc của đơn vị; mỗi người đặt quy tắc của mình",
		})
	}
	return o, journal.Actor{Kind: journal.ActorAccount, ID: int64(a.ID), Name: a.Login.String()}, own, nil
}

func (s *Service) rulesOf(o rules.Owner) []rules.Rule {
	if set := s.Rules.Of(o); set != nil {
		return listed(set.Rules)
	}
	return []rules.Rule{}
}

func (s *Service) ruleList(_ context.Context, req RuleOwner, _ Progress) (any, error) {
	o, _, _, err := s.ruleOwner(req)
	if err != nil {
		return nil, err
	}
	return s.rulesOf(o), nil
}

func noRule(n, have int) error {
	return fault.New(fault.NotFound, fault.Text{
		EN: fmt.Sprintf("there is no rule %d; there are %d", n, have), VI: fmt.Sprintf("không có quy tắc %d; hiện có %d", n, have),
	})
}

func (s *Service) ruleAdd(ctx context.Context, req RuleAdd, _ Progress) (any, error) {
	o, by, _, err := s.ruleOwner(req.RuleOwner)
	if err != nil {
		return nil, err
	}
	if req.Rule.Folder != "" {
		if _, err := s.Mail.Lookup(ctx, mailstore.Owner(o), req.Rule.Folder); err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, fault.Text{
				EN: fmt.Sprintf("there is no folder %q; make it first", req.Rule.Folder),
				VI: fmt.Sprintf("không có thư mục %q; hãy tạo trước", req.Rule.Folder),
			})
		}
	}
	err = s.Rules.SetRules(ctx, by, o, func(now []rules.Rule) ([]rules.Rule, error) {
		if req.At < 0 || req.At > len(now)+1 {
			return nil, noRule(req.At, len(now))
		}
		at := req.At - 1
		if req.At == 0 {
			at = len(now)
		}
		return slices.Insert(now, at, req.Rule), nil
	})
	return s.rulesOf(o), err
}

func (s *Service) ruleRemove(ctx context.Context, req RuleRemove, _ Progress) (any, error) {
	o, by, _, err := s.ruleOwner(req.RuleOwner)
	if err != nil {
		return nil, err
	}
	var gone rules.Rule
	take := func(now []rules.Rule) ([]rules.Rule, error) {
		if req.N < 1 || req.N > len(now) {
			return nil, noRule(req.N, len(now))
		}
		gone = now[req.N-1]
		return slices.Delete(now, req.N-1, req.N), nil
	}
	if req.DryRun {
		_, err := take(slices.Clone(s.rulesOf(o)))
		return gone, err
	}
	err = s.Rules.SetRules(ctx, by, o, take)
	return gone, err
}

func (s *Service) ruleMove(ctx context.Context, req RuleMove, _ Progress) (any, error) {
	o, by, _, err := s.ruleOwner(req.RuleOwner)
	if err != nil {
		return nil, err
	}
	err = s.Rules.SetRules(ctx, by, o, func(now []rules.Rule) ([]rules.Rule, error) {
		for _, n := range []int{req.N, req.To} {
			if n < 1 || n > len(now) {
				return nil, noRule(n, len(now))
			}
		}
		r := now[req.N-1]
		return slices.Insert(slices.Delete(now, req.N-1, req.N), req.To-1, r), nil
	})
	return s.rulesOf(o), err
}

func (s *Service) sieveGet(_ context.Context, req RuleOwner, _ Progress) (any, error) {
	o, _, _, err := s.ruleOwner(req)
	if err != nil {
		return nil, err
	}
	out := SieveText{}
	if set := s.Rules.Of(o); set != nil {
		out = SieveText{Text: set.Script, Rules: rules.Sieve(set.Rules)}
	}
	return out, nil
}

func (s *Service) sievePut(ctx context.Context, req SievePut, _ Progress) (any, error) {
	o, by, _, err := s.ruleOwner(req.RuleOwner)
	if err != nil {
		return nil, err
	}
	return None{}, s.Rules.SetScript(ctx, by, o, req.Text)
}

func (s *Service) sieveCheck(_ context.Context, req SieveText, _ Progress) (any, error) {
	_, err := sieve.Compile(req.Text)
	return None{}, err
}

func (s *Service) sieveTest(ctx context.Context, req SieveTest, _ Progress) (any, error) {
	o, _, own, err := s.ruleOwner(req.RuleOwner)
	if err != nil {
		return nil, err
	}
	var scripts []*sieve.Script
	if req.Text != "" {
		c, err := sieve.Compile(req.Text)
		if err != nil {
			return nil, err
		}
		scripts = append(scripts, c)
	} else if set := s.Rules.Of(o); set != nil {
		if scripts, err = set.Scripts(); err != nil {
			return nil, err
		}
	}
	env := mail.Envelope{From: mail.Path{Null: req.From == ""}, To: []mail.Recipient{{Addr: own}}}
	if req.From != "" {
		if env.From.Address, err = mail.ParseAddress(req.From, true); err != nil {
			return nil, err
		}
	}
	if req.To != "" {
		if env.To[0].Addr, err = mail.ParseAddress(req.To, true); err != nil {
			return nil, err
		}
	}
	res, err := s.Quarantine.Try(ctx, mailstore.Owner(o), env, req.Message, scripts...)
	if err != nil {
		return nil, err
	}
	out := SieveOutcome{Actions: []SieveAction{}, Steps: res.Steps}
	for _, a := range res.Actions {
		do := map[sieve.Kind]string{sieve.Keep: "keep", sieve.File: "file", sieve.Redirect: "redirect"}[a.Kind]
		out.Actions = append(out.Actions, SieveAction{Do: do, Mailbox: a.Mailbox, Flags: a.Flags, To: a.To.String()})
	}
	if res.Vacation != nil {
		out.Answer = res.Vacation.Text
	}
	if res.Err != nil {
		out.Error = fault.Sentence(res.Err).EN
	}
	return out, nil
}

func (s *Service) absence(_ context.Context, req RuleOwner, _ Progress) (any, error) {
	o, _, _, err := s.ruleOwner(req)
	if err != nil {
		return nil, err
	}
	return s.absenceOf(o), nil
}

func (s *Service) absenceOf(o rules.Owner) Absence {
	if set := s.Rules.Of(o); set != nil && set.Absence != nil {
		return Absence{Away: true, Absence: *set.Absence}
	}
	return Absence{}
}

func (s *Service) absenceSet(ctx context.Context, req AbsenceSet, _ Progress) (any, error) {
	o, by, _, err := s.ruleOwner(req.RuleOwner)
	if err != nil {
		return nil, err
	}
	if o.Account == 0 {
		return nil, fault.Newf(fault.Invalid, "only accounts have a notice of absence; a unit can have a Sieve script")
	}
	next := &req.Notice
	if req.Back {
		next = nil
	} else if !next.Until.IsZero() && next.Until.Before(time.Now()) {
		return nil, fault.New(fault.Invalid, fault.Text{EN: "the last day lies in the past", VI: "ngày cuối đã qua"})
	}
	err = s.Rules.SetAbsence(ctx, by, o.Account, next)
	return s.absenceOf(o), err
}
