package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/rules"
)

// ownerOf makes the owner of rules from a command's first argument.
type ownerOf func(arg string) control.RuleOwner

func accountOwner(arg string) control.RuleOwner { return control.RuleOwner{Account: arg} }

// accountRuleCmd, accountSieveCmd and vacationCmd are about one person's mail,
// the ones of mailboxes about a unit's.
func (c *cli) accountRuleCmd() *cobra.Command  { return c.ruleCmd("LOGIN", accountOwner) }
func (c *cli) accountSieveCmd() *cobra.Command { return c.sieveCmd("LOGIN", accountOwner) }

func (c *cli) mailboxRuleCmd() *cobra.Command {
	var by string
	cmd := c.ruleCmd("UNIT", func(arg string) control.RuleOwner { return control.RuleOwner{Unit: arg, By: by} })
	cmd.PersistentFlags().StringVar(&by, "by", "", "`login` of the unit's clerk or leader who asks for it")
	return cmd
}

func (c *cli) mailboxSieveCmd() *cobra.Command {
	var by string
	cmd := c.sieveCmd("UNIT", func(arg string) control.RuleOwner { return control.RuleOwner{Unit: arg, By: by} })
	cmd.PersistentFlags().StringVar(&by, "by", "", "`login` of the unit's clerk or leader who asks for it")
	return cmd
}

func (c *cli) ruleCmd(who string, owner ownerOf) *cobra.Command {
	list := &cobra.Command{
		Use: "list " + who, Short: "List the rules in their order", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallRuleList, owner(args[0]), printRules)
		}),
	}
	var dryRun bool
	remove := &cobra.Command{
		Use: "remove " + who + " NUMBER", Short: "Remove a rule", Args: cobra.ExactArgs(2),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			n, err := number(args[1])
			if err != nil {
				return err
			}
			done := "removed"
			if dryRun {
				done = "would be removed"
			}
			return answer(cmd, c, control.CallRuleRemove, control.RuleRemove{RuleOwner: owner(args[0]), N: n, DryRun: dryRun},
				func(w io.Writer, r rules.Rule) error {
					return line("rule %d %s: %s → %s", n, done, shownConditions(r), shownActions(r))(w)
				})
		}),
	}
	remove.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	move := &cobra.Command{
		Use: "move " + who + " NUMBER TO", Short: "Give a rule another place", Args: cobra.ExactArgs(3),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			n, err := number(args[1])
			if err != nil {
				return err
			}
			to, err := number(args[2])
			if err != nil {
				return err
			}
			return answer(cmd, c, control.CallRuleMove, control.RuleMove{RuleOwner: owner(args[0]), N: n, To: to}, printRules)
		}),
	}
	return parent("rule", "Rules for arriving mail", list, c.ruleAddCmd(who, owner), remove, move,
		c.testCmd("test "+who+" MESSAGE", "Tell what rules and script would do with a message", owner, false))
}

func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fault.Newf(fault.Invalid, "%q is no number of a rule", s)
	}
	return n, nil
}

func (c *cli) ruleAddCmd(who string, owner ownerOf) *cobra.Command {
	var r rules.Rule
	var d rules.Document
	var is bool
	var at int
	cmd := &cobra.Command{
		Use: "add " + who, Short: "Add a rule", Args: cobra.ExactArgs(1),
		Long: `Adds a rule. All conditions that are given must hold; texts are looked for without regard to case and diacritics.
The first rule that fits decides, unless it has --continue.`,
		Example: `  vanthu account rule add cv@soyte.dienbien.test --from "Sở Nội vụ" --folder "Nội vụ" --flag '\Flagged'
  vanthu account rule add cv@soyte.dienbien.test --document --urgency "hỏa tốc" --forward lanhdao@soyte.dienbien.test --keep`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("document") {
				d.Is = &is
			}
			if d.Is != nil || len(d.State)+len(d.Type)+len(d.Urgency) > 0 {
				r.Document = &d
			}
			return answer(cmd, c, control.CallRuleAdd, control.RuleAdd{RuleOwner: owner(args[0]), Rule: r, At: at}, printRules)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&r.Name, "name", "", "`name` for people")
	f.StringArrayVar(&r.From, "from", nil, "`text` in the From field; several: any of them")
	f.StringArrayVar(&r.To, "to", nil, "`text` in To or Cc")
	f.StringArrayVar(&r.Subject, "subject", nil, "`text` in the subject")
	f.BoolVar(&is, "document", false, "an official document; --document=false: none")
	f.StringArrayVar(&d.State, "state", nil, "`state` of the document, such as arrived, registered, refused")
	f.StringArrayVar(&d.Type, "type", nil, "`type` of the document, such as QĐ")
	f.StringArrayVar(&d.Urgency, "urgency", nil, "`urgency` of the document, such as khẩn")
	f.StringVar(&r.Folder, "folder", "", "put it into this `folder`")
	f.StringArrayVar(&r.Flags, "flag", nil, "set this `flag`, such as '\\Flagged'")
	f.StringArrayVar(&r.Forward, "forward", nil, "send it on to this `address`")
	f.BoolVar(&r.Keep, "keep", false, "keep a copy in INBOX")
	f.BoolVar(&r.Continue, "continue", false, "ask the rules after it too")
	f.IntVar(&at, "at", 0, "`number` that the rule gets; the last one when not given")
	return cmd
}

func printRules(w io.Writer, list []rules.Rule) error {
	rows := make([][]string, len(list))
	for i, r := range list {
		rows[i] = []string{strconv.Itoa(i + 1), r.Name, shownConditions(r), shownActions(r)}
	}
	return table(w, []string{"NO", "NAME", "WHEN", "THEN"}, rows)
}

func shownConditions(r rules.Rule) string {
	var out []string
	add := func(what string, list []string) {
		if len(list) > 0 {
			out = append(out, what+" "+strings.Join(list, "|"))
		}
	}
	add("from", r.From)
	add("to", r.To)
	add("subject", r.Subject)
	if d := r.Document; d != nil {
		if d.Is != nil {
			out = append(out, fmt.Sprintf("document %v", *d.Is))
		}
		add("state", d.State)
		add("type", d.Type)
		add("urgency", d.Urgency)
	}
	if len(out) == 0 {
		return "always"
	}
	return strings.Join(out, ", ")
}

func shownActions(r rules.Rule) string {
	var out []string
	if len(r.Flags) > 0 {
		out = append(out, "flag "+strings.Join(r.Flags, " "))
	}
	if r.Folder != "" {
		out = append(out, "folder "+r.Folder)
	}
	if len(r.Forward) > 0 {
		out = append(out, "forward "+strings.Join(r.Forward, " "))
	}
	if r.Keep {
		out = append(out, "keep")
	}
	if r.Continue {
		out = append(out, "continue")
	}
	return strings.Join(out, ", ")
}

// readFile reads a file, or standard input for "-".
func (c *cli) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(c.in, 64<<20))
	}
	return os.ReadFile(name)
}

func (c *cli) sieveCmd(who string, owner ownerOf) *cobra.Command {
	var generated bool
	get := &cobra.Command{
		Use: "get " + who, Short: "Print the script", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallSieveGet, owner(args[0]), func(w io.Writer, s control.SieveText) error {
				text := s.Text
				if generated {
					text = s.Rules
				}
				_, err := io.WriteString(w, text)
				return err
			})
		}),
	}
	get.Flags().BoolVar(&generated, "rules", false, "rather the script that the rule table becomes")
	var dryRun bool
	put := &cobra.Command{
		Use: "put " + who + " FILE", Short: "Replace the script; an empty file takes it away", Args: cobra.ExactArgs(2),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			text, err := c.readFile(args[1])
			if err != nil {
				return err
			}
			if dryRun {
				return answer(cmd, c, control.CallSieveCheck, control.SieveText{Text: string(text)}, saidGood(args[1]))
			}
			return answer(cmd, c, control.CallSievePut, control.SievePut{RuleOwner: owner(args[0]), Text: string(text)},
				func(w io.Writer, _ control.None) error { return line("script of %s set", args[0])(w) })
		}),
	}
	put.Flags().BoolVar(&dryRun, "dry-run", false, "only check it")
	check := &cobra.Command{
		Use: "check FILE", Short: "Check a script without setting it", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			text, err := c.readFile(args[0])
			if err != nil {
				return err
			}
			return answer(cmd, c, control.CallSieveCheck, control.SieveText{Text: string(text)}, saidGood(args[0]))
		}),
	}
	return parent("sieve", "Sieve scripts for arriving mail", get, put, check,
		c.testCmd("test "+who+" MESSAGE [SCRIPT]", "Tell what a script, or what is set, would do with a message", owner, true))
}

func saidGood(file string) func(io.Writer, control.None) error {
	return func(w io.Writer, _ control.None) error { return line("the script %s is good", file)(w) }
}

func (c *cli) testCmd(use, short string, owner ownerOf, script bool) *cobra.Command {
	req := control.SieveTest{}
	most := 2
	if script {
		most = 3
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.RangeArgs(2, most),
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req.RuleOwner = owner(args[0])
			if req.Message, err = c.readFile(args[1]); err != nil {
				return err
			}
			if len(args) > 2 {
				text, err := c.readFile(args[2])
				if err != nil {
					return err
				}
				req.Text = string(text)
			}
			return answer(cmd, c, control.CallSieveTest, req, printOutcome)
		}),
	}
	cmd.Flags().StringVar(&req.From, "from", "", "envelope `address` of the sender")
	cmd.Flags().StringVar(&req.To, "to", "", "envelope `address` of the recipient; the owner's own when not given")
	return cmd
}

func printOutcome(w io.Writer, o control.SieveOutcome) error {
	if o.Error != "" {
		if err := line("failed: %s", o.Error)(w); err != nil {
			return err
		}
	}
	for _, a := range o.Actions {
		text := a.Do
		switch a.Do {
		case "file":
			text += " " + a.Mailbox
		case "redirect":
			text += " " + a.To
		}
		if len(a.Flags) > 0 {
			text += " (" + strings.Join(a.Flags, " ") + ")"
		}
		if err := line("%s", text)(w); err != nil {
			return err
		}
	}
	if len(o.Actions) == 0 {
		if err := line("discard")(w); err != nil {
			return err
		}
	}
	if o.Answer != "" {
		return line("answer: %s", o.Answer)(w)
	}
	return nil
}

func (c *cli) vacationCmd() *cobra.Command {
	var from, until string
	var req control.AbsenceSet
	cmd := &cobra.Command{
		Use: "vacation LOGIN", Short: "Show, set or end a notice of absence", Args: cobra.ExactArgs(1),
		Long: `Without flags: shows the notice. With --until, --from, --text …: sets it. With --back: ends it.
Each sender is answered once in --days. Lists, bulk mail and other programs are never answered (RFC 3834).`,
		Example: `  vanthu account vacation cv@soyte.dienbien.test --until 2026-12-31 --text "Tôi đi công tác đến hết ngày 31/12."`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req.RuleOwner = accountOwner(args[0])
			if cmd.Flags().NFlag() == 0 || cmd.Flags().NFlag() == 1 && c.json {
				return answer(cmd, c, control.CallAbsence, req.RuleOwner, printAbsence)
			}
			if req.Notice.From, err = day(from, 0); err != nil {
				return err
			}
			if req.Notice.Until, err = day(until, 1); err != nil {
				return err
			}
			return answer(cmd, c, control.CallAbsenceSet, req, printAbsence)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "first `day` (2026-12-24); now when not given")
	f.StringVar(&until, "until", "", "last `day`; until --back when not given")
	f.StringVar(&req.Notice.Text, "text", "", "`text` of the answer; a usual one in Vietnamese when not given")
	f.StringVar(&req.Notice.Subject, "subject", "", "`subject` of the answer")
	f.IntVar(&req.Notice.Days, "days", 0, "`days` between two answers to one sender, 7 when not given")
	f.BoolVar(&req.Back, "back", false, "end the notice")
	return cmd
}

// day reads a date; more days are added to it.
func day(s string, more int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, s, hanoi)
	return t.AddDate(0, 0, more), err
}

func printAbsence(w io.Writer, a control.Absence) error {
	if !a.Away {
		return line("no notice of absence")(w)
	}
	until := "until it is ended"
	if !a.Until.IsZero() {
		until = "until " + shownTime(a.Until)
	}
	return line("away from %s %s, one answer in %d days: %s", shownTime(a.From), until, a.Days, a.Text)(w)
}
