package main

import (
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/fault"
)

func (c *cli) registerList() *cobra.Command {
	var req control.RegisterList
	cmd := &cobra.Command{
		Use: "list", Short: "List the registers of all units, or of one", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallRegisterList, req, func(w io.Writer, books []control.Book) error {
				rows := make([][]string, len(books))
				for i, b := range books {
					by := "elsewhere"
					if b.Managed {
						by = "here"
					}
					rows[i] = []string{b.Unit, string(b.Direction), strconv.Itoa(b.Year), string(b.Series), strconv.Itoa(b.Last), strconv.Itoa(b.Lines), by}
				}
				return table(w, []string{"UNIT", "DIRECTION", "YEAR", "SERIES", "LAST", "LINES", "NUMBERED"}, rows)
			})
		}),
	}
	cmd.Flags().StringVar(&req.Unit, "unit", "", "only of this `unit`")
	return cmd
}

// entryFlags are the flags that name a line of a register, besides its number.
func entryFlags(cmd *cobra.Command, req *control.EntryNamed) {
	f := cmd.Flags()
	f.StringVar((*string)(&req.Direction), "direction", "den", "den: incoming documents, di: outgoing ones")
	f.IntVar(&req.Year, "year", 0, "`year` of the register; the present one when not given")
	f.StringVar((*string)(&req.Series), "series", "", "`series` of an outgoing register; see register list")
	f.IntVar(&req.Line, "line", 0, "`line` of the book, when the number stands there twice; see register show --json")
	f.StringVar(&req.As, "as", "", "`login` of the clerk who acts")
	f.StringVar(&req.Reason, "reason", "", "why; it is shown in the register")
	must(cmd.MarkFlagRequired("as"))
	must(cmd.MarkFlagRequired("reason"))
}

func (c *cli) registerVoid() *cobra.Command {
	var req control.RegisterVoid
	cmd := &cobra.Command{
		Use: "void UNIT NUMBER", Short: "Strike a line of a register through; its number is never used again", Args: cobra.ExactArgs(2),
		Long: `Strike a line of a register through. The number stays its own and is never used again.

Of an incoming document this takes the registration back, so that it waits to be registered again;
it is possible only while nobody works on it. A reserved number of an outgoing register is given up.`,
		Example: `  vanthu register void SYT 12 --direction di --reason "phát hành nhầm" --as vanthu@syt.dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit, req.Number = args[0], args[1]
			return answer(cmd, c, control.CallRegisterVoid, req, printEntryDone)
		}),
	}
	entryFlags(cmd, &req.EntryNamed)
	return cmd
}

func printEntryDone(w io.Writer, d control.EntryDone) error {
	return line("number %s of %s is %s", d.Number, d.Unit, d.State)(w)
}

func (c *cli) registerCorrect() *cobra.Command {
	var req control.RegisterCorrect
	var set []string
	cmd := &cobra.Command{
		Use: "correct UNIT NUMBER", Short: "Add a line that says what a line should have said; the line itself stays", Args: cobra.ExactArgs(2),
		Long: `Add a line below a line of a register that says what that one should have said.

Columns are named as register show --json names them. A wrong number cannot be corrected: void it.`,
		Example: `  vanthu register correct SYT 12 --direction di --set nguoi_ky="Phó Giám đốc" --reason "ghi nhầm người ký" --as vanthu@syt.dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit, req.Number, req.Set = args[0], args[1], map[string]string{}
			for _, s := range set {
				name, value, ok := strings.Cut(s, "=")
				if !ok {
					return fault.Newf(fault.Invalid, "%q is not COLUMN=VALUE", s)
				}
				req.Set[name] = value
			}
			return answer(cmd, c, control.CallRegisterFix, req, printEntryDone)
		}),
	}
	entryFlags(cmd, &req.EntryNamed)
	cmd.Flags().StringArrayVar(&set, "set", nil, "`COLUMN=VALUE`; dates are 2026-11-24; may be repeated")
	must(cmd.MarkFlagRequired("set"))
	return cmd
}

func (c *cli) registerReserve() *cobra.Command {
	var req control.NumberReserve
	cmd := &cobra.Command{
		Use: "reserve UNIT", Short: "Take the next number of an outgoing register (xin số)", Args: cobra.ExactArgs(1),
		Long: `Take the next number of a unit's outgoing register, for 24 working hours.

A number that is not used by then is struck through. The unit's numbers must be given here:
see vanthu unit numbering.`,
		Example: `  vanthu register reserve SYT --type QĐ --abstract "V/v nâng lương" --as vanthu@syt.dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit = args[0]
			return answer(cmd, c, control.CallNumberReserve, req, func(w io.Writer, v docstore.Reservation) error {
				return line("%s is reserved until %s", v.Code, shownTime(v.Expires))(w)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Type, "type", "", "`type` of the document: QĐ, TB, CV, …")
	f.StringVar(&req.Symbol, "symbol", "", "whole `symbol` instead, such as SYT-VP")
	f.BoolVar(&req.Legal, "legal", false, "a legal norm (QPPL), whose code carries the year")
	f.StringVar(&req.Abstract, "abstract", "", "what it is for")
	f.StringVar(&req.As, "as", "", "`login` of who asks")
	must(cmd.MarkFlagRequired("as"))
	cmd.MarkFlagsOneRequired("type", "symbol")
	return cmd
}

func (c *cli) registerReserved() *cobra.Command {
	var req control.NumberList
	cmd := &cobra.Command{
		Use: "reserved UNIT", Short: "List the reserved numbers that wait to be used", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit = args[0]
			return answer(cmd, c, control.CallNumberList, req, func(w io.Writer, list []docstore.Reservation) error {
				rows := make([][]string, len(list))
				for i, v := range list {
					rows[i] = []string{v.Code, string(v.Series), v.ByName, v.Abstract, shownTime(v.Expires), string(v.State)}
				}
				return table(w, []string{"CODE", "SERIES", "ASKED BY", "ABSTRACT", "UNTIL", "STATE"}, rows)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.All, "all", false, "those that were used or voided too")
	return cmd
}

func (c *cli) unitNumbering() *cobra.Command {
	var req control.NumberingSet
	var scheme docstore.Scheme
	var groups []string
	cmd := &cobra.Command{
		Use: "numbering [UNIT]", Short: "Show, or set, how units number what they send", Args: cobra.MaximumNArgs(1),
		Long: `Show how units number what they send, or set it for one.

  --mode recorded   numbers are given elsewhere, such as in a paper book: what is sent is entered
                    under the number that it bears (this is the default)
  --mode managed    this server gives the numbers, each once and without a gap

One series serves all administrative documents unless --per-type, --group or --body say otherwise
(NĐ 30/2020, article 15); the three together replace the scheme that was. Legal norms always have
a series for each type.`,
		Example: `  vanthu unit numbering
  vanthu unit numbering SYT --mode managed --start 245
  vanthu unit numbering SYT --group QĐ,CT --group TB,BC --body HĐKT`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				req.Unit = args[0]
			}
			f := cmd.Flags()
			if f.Changed("group") || f.Changed("per-type") || f.Changed("body") {
				for _, g := range groups {
					scheme.Groups = append(scheme.Groups, strings.Split(g, ","))
				}
				req.Scheme = &scheme
			}
			if req.Mode == "" && req.Scheme == nil && req.Start == 0 {
				return answer(cmd, c, control.CallNumbering, control.NumberList{Unit: req.Unit}, printNumbering)
			}
			if req.Unit == "" {
				return fault.Newf(fault.Invalid, "name the unit")
			}
			return answer(cmd, c, control.CallNumberingSet, req, func(w io.Writer, n control.Numbering) error {
				return printNumbering(w, []control.Numbering{n})
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar((*string)(&req.Mode), "mode", "", "recorded or managed")
	f.BoolVar(&scheme.PerType, "per-type", false, "a series for each type of document")
	f.StringArrayVar(&groups, "group", nil, "`types` that share a series, such as QĐ,CT; may be repeated")
	f.StringSliceVar(&scheme.Bodies, "body", nil, "advisory `bodies` with a series of their own, by the end of their symbols")
	f.IntVar(&req.Start, "start", 0, "the next `number`; once for each book, before the first is given")
	f.StringVar((*string)(&req.Series), "series", "", "`series` that --start is about")
	f.IntVar(&req.Year, "year", 0, "`year` that --start is about")
	f.StringVar(&req.As, "as", "", "`login` of who decided, for the journal")
	return cmd
}

func printNumbering(w io.Writer, list []control.Numbering) error {
	rows := make([][]string, len(list))
	for i, n := range list {
		var parts []string
		for _, g := range n.Scheme.Groups {
			parts = append(parts, strings.Join(g, "+"))
		}
		if n.Scheme.PerType {
			parts = append(parts, "each type")
		}
		parts = append(parts, n.Scheme.Bodies...)
		if !n.Scheme.PerType {
			parts = append(parts, "the rest")
		}
		rows[i] = []string{n.Unit, string(n.Mode), strings.Join(parts, ", ")}
	}
	return table(w, []string{"UNIT", "MODE", "SERIES"}, rows)
}
