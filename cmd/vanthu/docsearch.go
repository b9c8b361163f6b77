package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/search"
)

func (c *cli) docSearch() *cobra.Command {
	var req control.DocumentSearch
	var sort, columns string
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "search [QUERY]",
		Short: "Find documents by any field and by content, with or without diacritics",
		Long: `Find documents. Words are looked for in the code, abstract, type, issuer, signer, file names and content;
"quotes" keep words together, -word excludes, OR and ( ) choose. Fields narrow:

  so:123  so:12..20  kyhieu:QĐ-UBND  nam:2026  cq:soyte  loai:"Quyết định"  trichyeu:…  nguoiky:"Giám đốc"
  ngay:2026-01..2026-06  nhan:homnay  han:<2026-12-01  khan:>=1  den:xa01  trangthai:davaoso  soden:12
  ngayden:2026-11  vaitro:debiet  file:bao-cao.pdf  noidung:"giải ngân"

Words after -- may begin with a dash. See docs/formats/search.md.`,
		Example: `  vanthu doc search 'cq:soyte ngay:2026-01..2026-06 giai ngan von'
  vanthu doc search 'trangthai:arrived han:<homnay' --sort due --columns code,subject,due,units --csv > qua-han.csv
  vanthu doc search 'khan:>=3' --as vanthu@xa01.dienbien.test --save 'Hỏa tốc'`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Query, req.Sort = strings.Join(args, " "), docstore.Sort(sort)
			if columns != "" {
				for _, name := range strings.Split(columns, ",") {
					req.Columns = append(req.Columns, strings.ToLower(strings.TrimSpace(name)))
				}
			}
			if err := control.CheckColumns(req.Columns); err != nil {
				return err
			}
			if asCSV && !cmd.Flags().Changed("limit") {
				req.Limit, req.Thorough = search.MaxLimit, true
			}
			if req.Query == "" && req.Saved == "" {
				return fault.Newf(fault.Invalid, "say what to look for: vanthu doc search QUERY, or --saved NAME")
			}
			var found control.Found
			if err := c.call(cmd.Context(), control.CallDocumentSearch, req, &found, nil); err != nil {
				return err
			}
			shown := req.Columns
			if len(shown) == 0 {
				shown = found.Columns
			}
			if len(shown) == 0 {
				shown = []string{"code", "issued", "issuer", "subject", "state"}
			}
			switch {
			case c.json:
				return c.printJSON(found)
			case asCSV:
				return foundCSV(c.out, found, shown)
			}
			return printFound(c.out, found, shown)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.As, "as", "", "`login` whose rights count; without it everything is found")
	f.StringVar(&req.Saved, "saved", "", "the saved search of this `name`; a QUERY narrows it")
	f.StringVar(&req.Save, "save", "", "keep the query, its order and columns under this `name`")
	f.StringVar(&sort, "sort", "", "`order`: rank (the usual one), date, number, due")
	f.StringVar(&columns, "columns", "", "columns, in this order: "+strings.Join(control.SearchColumns(), ","))
	f.IntVar(&req.Limit, "limit", search.DefaultLimit, "at most so many")
	f.IntVar(&req.Offset, "offset", 0, "leave so many out at the begin")
	f.BoolVar(&req.Thorough, "thorough", false, "look into every text, however long it takes")
	f.BoolVar(&asCSV, "csv", false, "print CSV for a spreadsheet, all results unless --limit says fewer")
	return cmd
}

// cell gives the text of a column of a hit.
func cell(h control.FoundHit, column string) string {
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return shownTime(t)
	}
	switch column {
	case "accepted":
		return day(h.Accepted)
	case "code":
		return h.Code
	case "number":
		if h.Number == 0 {
			return ""
		}
		return strconv.Itoa(h.Number)
	case "issuer":
		return h.Issuer
	case "subject":
		return h.Subject
	case "type":
		return h.Type
	case "issued":
		return h.Issued
	case "signer":
		return h.Signer
	case "urgency":
		return h.Urgency.Name()
	case "due":
		return day(h.Due)
	case "state":
		counts := control.DocumentRow{States: map[docstore.State]int{}, Dispatches: len(h.Sent)}
		for _, d := range h.Sent {
			counts.States[d.State]++
		}
		return states(counts)
	case "arrival":
		var list []string
		for _, d := range h.Sent {
			if d.ArrivalNumber > 0 {
				list = append(list, fmt.Sprintf("%d/%d", d.ArrivalNumber, d.ArrivalYear))
			}
		}
		return strings.Join(list, ", ")
	case "units":
		var list []string
		for _, d := range h.Sent {
			list = append(list, d.Unit)
		}
		return strings.Join(list, ", ")
	case "snippet":
		return h.Snippet.Marked()
	}
	return string(h.ID)
}

func printFound(w io.Writer, found control.Found, columns []string) error {
	header := make([]string, len(columns))
	for i, name := range columns {
		header[i] = strings.ToUpper(name)
	}
	rows := make([][]string, len(found.Hits))
	for i, h := range found.Hits {
		for _, name := range columns {
			rows[i] = append(rows[i], cell(h, name))
		}
	}
	if err := table(w, header, rows); err != nil {
		return err
	}
	if !slices.Contains(columns, "snippet") {
		for _, h := range found.Hits {
			if s := h.Snippet; s.Source != "" && s.Source != "abstract" {
				if err := line("  %s: %s", h.Code, s.Marked())(w); err != nil {
					return err
				}
			}
		}
	}
	var err error
	if found.More {
		err = line("there are more: --limit, --offset")(w)
	}
	if !found.Complete {
		err = errors.Join(err, line("not every text was looked into: narrow the search, or --thorough")(w))
	}
	return err
}

// foundCSV writes hits as CSV (RFC 4180) in UTF-8 with a byte order mark; no cell
// can become a formula.
func foundCSV(w io.Writer, found control.Found, columns []string) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	rows := [][]string{columns}
	for _, h := range found.Hits {
		row := make([]string, len(columns))
		for i, name := range columns {
			if row[i] = cell(h, name); row[i] != "" && strings.ContainsRune("=+-@\t\r", rune(row[i][0])) {
				row[i] = "'" + row[i]
			}
		}
		rows = append(rows, row)
	}
	return out.WriteAll(rows)
}

func (c *cli) docSaved() *cobra.Command {
	return parent("saved", "Searches that are kept under a name", c.savedList(), c.savedRemove())
}

func (c *cli) savedList() *cobra.Command {
	var req control.SavedNamed
	cmd := &cobra.Command{
		Use: "list", Short: "List saved searches", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallSavedList, req, func(w io.Writer, list []control.Saved) error {
				rows := make([][]string, len(list))
				for i, q := range list {
					rows[i] = []string{q.Name, q.Query, string(q.Sort), strings.Join(q.Columns, ","), shownTime(q.Saved)}
				}
				return table(w, []string{"NAME", "QUERY", "SORT", "COLUMNS", "SAVED"}, rows)
			})
		}),
	}
	cmd.Flags().StringVar(&req.As, "as", "", "`login` whose they are; without it those of the administrator at this machine")
	return cmd
}

func (c *cli) savedRemove() *cobra.Command {
	var req control.SavedNamed
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Remove a saved search", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Name = args[0]
			return answer(cmd, c, control.CallSavedRemove, req, func(w io.Writer, q control.Saved) error {
				if req.DryRun {
					return line("%s (%s) would be removed", q.Name, q.Query)(w)
				}
				return line("%s (%s) is removed", q.Name, q.Query)(w)
			})
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.As, "as", "", "`login` whose it is")
	f.BoolVar(&req.DryRun, "dry-run", false, "only say what would be removed")
	return cmd
}
