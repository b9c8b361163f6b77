package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/report"
)

func (c *cli) registerCmd() *cobra.Command {
	return parent("register", "Registers of incoming and outgoing documents (sổ đăng ký văn bản)",
		c.registerShow(), c.registerExport(),
		c.registerList(), c.registerCorrect(), c.registerVoid(), c.registerReserve(), c.registerReserved())
}

func (c *cli) registerShow() *cobra.Command {
	var req control.RegisterShow
	var day string
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "show [UNIT]",
		Short: "Print a unit's register with the ten legal columns (NĐ 30/2020/NĐ-CP, Phụ lục IV)",
		Example: `  vanthu register show --unit xa01
  vanthu register show xa01 --year 2026 --as-of 2026-06-30 --csv > so-den.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				req.Unit = args[0]
			}
			if req.Unit == "" {
				return fault.Newf(fault.Invalid, "name the unit: --unit UNIT")
			}
			if day != "" {
				at, err := time.ParseInLocation(time.DateOnly, day, hanoi)
				if err != nil {
					return err
				}
				req.AsOf = at.AddDate(0, 0, 1).Add(-time.Microsecond) // the whole of that day
			}
			var book report.Register
			if err := c.call(cmd.Context(), control.CallRegisterShow, req, &book, nil); err != nil {
				return err
			}
			switch {
			case c.json:
				return book.WriteJSON(c.out)
			case asCSV:
				return book.WriteCSV(c.out)
			}
			return book.WriteText(c.out, report.TextOptions{Width: c.width()})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Unit, "unit", "", "`unit`: code, short name or address")
	f.StringVar((*string)(&req.Direction), "direction", "den", "den: incoming documents, di: outgoing ones")
	f.StringVar((*string)(&req.Series), "series", "", "`series` of an outgoing register; see register list")
	f.IntVar(&req.Year, "year", 0, "`year` of the register; the present one when not given")
	f.IntVar(&req.From, "from", 0, "first `number`")
	f.IntVar(&req.To, "to", 0, "last `number`")
	f.StringVar(&day, "as-of", "", "as it stood at the end of this `day` (2026-06-30)")
	f.BoolVar(&asCSV, "csv", false, "print CSV for a spreadsheet")
	return cmd
}

// width is how wide a table may be: as the terminal is, or as the report likes.
func (c *cli) width() int {
	f, ok := c.out.(*os.File)
	if !ok {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0 // no terminal
	}
	return w
}
