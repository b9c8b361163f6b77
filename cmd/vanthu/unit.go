package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/directory"
)

func (c *cli) unitCmd() *cobra.Command {
	return parent("unit", "Units of the province", c.unitList(), c.unitAdd(), c.unitSet(), c.unitNumbering(), c.unitClose(), c.unitDue())
}

func (c *cli) unitList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all units", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallUnitList, control.None{}, func(w io.Writer, units []directory.Unit) error {
				rows := make([][]string, len(units))
				for i, u := range units {
					state := "exists"
					if !u.To.IsZero() {
						state = "closed " + u.To.In(hanoi).Format("02/01/2006")
					}
					rows[i] = []string{u.Code, u.ShortName, u.Name, u.Kind, u.Address.String(), state}
				}
				return table(w, []string{"CODE", "SHORT", "NAME", "KIND", "ADDRESS", "STATE"}, rows)
			})
		}),
	}
}

// unitFlags are the fields of a unit as flags.
func unitFlags(cmd *cobra.Command, req *control.UnitAdd) {
	f := cmd.Flags()
	f.StringVar(&req.Code, "code", "", "identifier by QĐ 20/2020/QĐ-TTg, such as `H18.26`")
	f.StringSliceVar(&req.Legacy, "legacy", nil, "older identifiers, such as `000.00.26.H18`")
	f.StringVar(&req.Name, "name", "", "full `name`")
	f.StringVar(&req.ShortName, "short", "", "short name (viết tắt), also the `name` of its folder")
	f.StringVar(&req.Kind, "kind", "", "`kind`: sở, xã, …")
	f.StringVar(&req.Parent, "parent", "", "`unit` above it")
	f.StringVar(&req.Address, "address", "", "public mail `address`")
	f.StringSliceVar(&req.Aliases, "alias", nil, "further `addresses`")
	f.StringVar(&req.CatchAll, "catch-all", "", "`domain` whose unknown addresses lead to the unit; - for none")
}

func printUnit(w io.Writer, u directory.Unit) error {
	return line("unit %s (%s), %s, %s", u.Code, u.ShortName, u.Name, u.Address)(w)
}

func (c *cli) unitAdd() *cobra.Command {
	var req control.UnitAdd
	cmd := &cobra.Command{
		Use: "add", Short: "Add a unit", Args: cobra.NoArgs,
		Example: `  vanthu unit add --code H18.26 --short SNV --name "Sở Nội vụ" --kind sở --address sonoivu@dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallUnitAdd, req, printUnit)
		}),
	}
	unitFlags(cmd, &req)
	for _, name := range []string{"code", "name", "short", "address"} {
		must(cmd.MarkFlagRequired(name))
	}
	return cmd
}

func (c *cli) unitSet() *cobra.Command {
	var req control.UnitSet
	cmd := &cobra.Command{
		Use: "set UNIT", Short: "Change a unit; what is not given stays", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit = args[0]
			return answer(cmd, c, control.CallUnitSet, req, printUnit)
		}),
	}
	unitFlags(cmd, &req.UnitAdd)
	return cmd
}

func (c *cli) unitClose() *cobra.Command {
	var req control.UnitClose
	var day string
	cmd := &cobra.Command{
		Use: "close UNIT", Short: "End a unit and name who takes over; its registers stay", Args: cobra.ExactArgs(1),
		Example: `  vanthu unit close XA07 --successor XA08 --day 2026-12-31`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Unit = args[0]
			if day != "" {
				at, err := time.ParseInLocation(time.DateOnly, day, hanoi)
				if err != nil {
					return err
				}
				req.At = at.AddDate(0, 0, 1) // to the end of that day
			}
			return answer(cmd, c, control.CallUnitClose, req, func(w io.Writer, u directory.Unit) error {
				return line("unit %s is closed from %s; mail for %s goes to %s",
					u.Code, shownTime(u.To), u.Address, strings.Join(req.Successors, ", "))(w)
			})
		}),
	}
	cmd.Flags().StringSliceVar(&req.Successors, "successor", nil, "`units` that take over")
	cmd.Flags().StringVar(&day, "day", "", "last `day` (2026-12-31); today when not given")
	return cmd
}

// must stops on a mistake of the programmer in the table of commands.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
