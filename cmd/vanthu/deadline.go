package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
)

// unitDue is the command for what a unit has of its own about time.
func (c *cli) unitDue() *cobra.Command {
	var days int
	var types []string
	req := control.UnitTimeSet{}
	cmd := &cobra.Command{
		Use: "due UNIT", Short: "Show or set a unit's usual deadlines, working hours and receipts", Args: cobra.ExactArgs(1),
		Long: `Shows, or sets with any flag, what a unit has of its own about time:

  the working days after registration within which a document is to be dealt with that
  names no deadline itself, for all types and by type;
  its working hours, by which deadlines are counted; "usual" for those of the server;
  the kinds of receipts in its folder "Biên nhận" that differ from the usual ones.`,
		Example: `  vanthu unit due XA01 --days 7 --type BC=5 --type TTr=3
  vanthu unit due XA01 --hours "mon-fri 07:30-11:30 13:30-17:00" --hours "sat 07:30-11:30"
  vanthu unit due SNV --receipts DA_DEN,-PHAN_CONG`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req.Unit = args[0]
			if req.ByType, err = typeDays(types); err != nil {
				return err
			}
			f := cmd.Flags()
			if f.Changed("days") {
				req.Days = &days
			}
			if f.Changed("days") || f.Changed("type") || f.Changed("hours") || f.Changed("receipts") {
				return answer(cmd, c, control.CallUnitTimeSet, req, printUnitTime)
			}
			return answer(cmd, c, control.CallUnitTime, req.UnitNamed, printUnitTime)
		}),
	}
	f := cmd.Flags()
	f.IntVar(&days, "days", 0, "working `days`; 0 for no deadline")
	f.StringArrayVar(&types, "type", nil, "`TYPE=DAYS` by abbreviation of the type, CV for công văn; TYPE= takes it out; may be repeated")
	f.StringArrayVar(&req.Hours, "hours", nil, "working `hours` of some days, \"usual\" for those of the server; may be repeated")
	f.StringSliceVar(&req.Receipts, "receipts", nil, "`kinds` to send besides the usual ones, with - before one not to send; \"usual\" for none of its own")
	return cmd
}

func typeDays(list []string) (map[string]int, error) {
	out := map[string]int{}
	for _, s := range list {
		abbr, text, ok := strings.Cut(s, "=")
		n, err := strconv.Atoi(text)
		if text == "" {
			n, err = -1, nil
		}
		if !ok || err != nil || abbr == "" {
			return nil, fault.Newf(fault.Invalid, "%q is not TYPE=DAYS such as BC=5", s)
		}
		out[abbr] = n
	}
	return out, nil
}

func printUnitTime(w io.Writer, t control.UnitTime) error {
	if err := line("%s: %s", t.Unit, daysText(t.Days))(w); err != nil {
		return err
	}
	for _, abbr := range slices.Sorted(maps.Keys(t.ByType)) {
		if err := line("  %s: %s", abbr, daysText(t.ByType[abbr]))(w); err != nil {
			return err
		}
	}
	whose := "of the server"
	if t.OwnHours {
		whose = "of its own"
	}
	if err := line("working hours (%s): %s", whose, strings.Join(t.Hours, ", "))(w); err != nil {
		return err
	}
	if len(t.Receipts) == 0 {
		return nil
	}
	return line("receipts: %s", strings.Join(t.Receipts, ", "))(w)
}

func daysText(n int) string {
	if n == 0 {
		return "no deadline"
	}
	return fmt.Sprintf("%d working days", n)
}

// docDue is the command that lists what a unit has to do.
func (c *cli) docDue() *cobra.Command {
	return &cobra.Command{
		Use: "due UNIT", Short: "List what a unit has to do and until when: register, process, answer", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallDocumentDue, control.UnitNamed{Unit: args[0]}, func(w io.Writer, list []control.DueRow) error {
				rows := make([][]string, len(list))
				for i, d := range list {
					rows[i] = []string{shownTime(d.Due), d.DueState.Name(), dueWhat(d.What), d.Code, d.Issuer, d.Subject, d.State.Name(), d.InCharge}
				}
				return table(w, []string{"DUE", "", "WHAT", "CODE", "ISSUER", "SUBJECT", "STATE", "IN CHARGE"}, rows)
			})
		}),
	}
}

func dueWhat(what string) string {
	switch what {
	case control.ToRegister:
		return "vào sổ"
	case control.ToAnswer:
		return "trả lời bên gửi"
	}
	return "xử lý"
}
