package main

import (
	"io"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/report"
)

func (c *cli) registerExport() *cobra.Command {
	var req control.RegisterShow
	var day, direction, series string
	out := output{fallback: report.FormatPDF}
	cmd := &cobra.Command{
		Use:   "export UNIT",
		Short: "Make a file of a unit's register: PDF to sign and bind, XLSX, DOCX, CSV, JSON",
		Long: `The register with the ten legal columns (NĐ 30/2020/NĐ-CP, Phụ lục IV) as a file. The same question gives the same
octets: a file tells nothing of when it was made, only of the register and the day --as-of. The journal keeps who made it.`,
		Example: `  vanthu register export xa01 --year 2026 -o so-den-2026.pdf
  vanthu register export SYT --direction di --year 2026 --as-of 2026-06-30 --as kiemtra@dienbien.test -o so-di.xlsx`,
		Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req.Unit, req.Direction = args[0], docstore.Direction(direction)
			req.Series = docstore.Series(series)
			if req.AsOf, err = endOf(day); err != nil {
				return err
			}
			if req.Format, err = out.choose(c); err != nil {
				return err
			}
			var book report.Register
			if err := c.call(cmd.Context(), control.CallRegisterShow, req, &book, nil); err != nil {
				return err
			}
			write, err := registerAs(book, c, req.Format)
			if err != nil {
				return err
			}
			return out.deliver(c, req.Format, len(book.Rows), write)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&direction, "direction", "den", "den: incoming documents, di: outgoing ones")
	f.StringVar(&series, "series", "", "`series` of numbers in the register of outgoing documents, of a unit that keeps several")
	f.IntVar(&req.Year, "year", 0, "`year` of the register; the present one when not given")
	f.IntVar(&req.From, "from", 0, "first `number`")
	f.IntVar(&req.To, "to", 0, "last `number`")
	f.StringVar(&day, "as-of", "", "as it stood at the end of this `day` (2026-06-30)")
	f.StringVar(&req.As, "as", "", "`login` of the clerk, leader, auditor or administrator who asks; yours at this machine when not given")
	out.flags(cmd)
	return cmd
}

// registerAs writes a register in a format: text, CSV and JSON as "register
// show" prints them.
func registerAs(book report.Register, c *cli, f report.Format) (func(io.Writer) error, error) {
	switch f {
	case report.FormatText:
		return func(w io.Writer) error { return book.WriteText(w, report.TextOptions{Width: c.width()}) }, nil
	case report.FormatCSV:
		return book.WriteCSV, nil
	case report.FormatJSON:
		return book.WriteJSON, nil
	}
	sheet, err := book.Sheet()
	if err != nil {
		return nil, err
	}
	return printed(sheet, c, f), nil
}
