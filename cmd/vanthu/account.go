package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/directory"
)

func (c *cli) accountCmd() *cobra.Command {
	return parent("account", "Accounts of people",
		c.accountList(), c.accountAdd(), c.accountSet(), c.accountPassword(), c.appPasswordCmd(), c.accountImport(),
		c.accountVacate(), c.accountRuleCmd(), c.accountSieveCmd(), c.vacationCmd(),
		c.accountDelegate(), c.accountDelegations(), c.accountUndelegate())
}

func (c *cli) accountList() *cobra.Command {
	var req control.AccountList
	cmd := &cobra.Command{
		Use: "list", Short: "List accounts", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallAccountList, req, func(w io.Writer, list []directory.Account) error {
				rows := make([][]string, len(list))
				for i, a := range list {
					roles := make([]string, len(a.Roles))
					for j, r := range a.Roles {
						roles[j] = string(r.Role)
					}
					rows[i] = []string{a.Login.String(), a.Name, strings.Join(roles, " "), string(a.State)}
				}
				return table(w, []string{"LOGIN", "NAME", "ROLES", "STATE"}, rows)
			})
		}),
	}
	cmd.Flags().StringVar(&req.Unit, "unit", "", "only accounts of this `unit`")
	return cmd
}

// printMade shows an account, and the password that was made, this once.
func printMade(w io.Writer, a control.AccountMade) error {
	if err := line("account %s, %s, %s", a.Account.Login, a.Account.Name, a.Account.State)(w); err != nil || a.Password == "" {
		return err
	}
	return line("password (shown only now): %s", a.Password)(w)
}

func (c *cli) accountAdd() *cobra.Command {
	var req control.AccountAdd
	var ask bool
	cmd := &cobra.Command{
		Use: "add LOGIN", Short: "Add an account; its password is made unless one is given", Args: cobra.ExactArgs(1),
		Example: `  vanthu account add vanthu@soyte.dienbien.test --name "Văn thư Sở Y tế" --unit SYT --role vanthu`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req.Login = args[0]
			if ask {
				if req.Password, err = c.readPassword(); err != nil {
					return err
				}
			}
			return answer(cmd, c, control.CallAccountAdd, req, printMade)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Name, "name", "", "`name` as shown to others")
	f.StringVar(&req.Unit, "unit", "", "`unit`; none is the whole province")
	f.StringSliceVar(&req.Roles, "role", nil, "`roles`: vanthu, lanhdao, chuyenvien, quantri, kiemtra")
	f.Int64Var(&req.QuotaMiB, "quota", 0, "quota in `MiB`; 0 is the default of the configuration")
	f.BoolVar(&ask, "password-stdin", false, "read the password from standard input")
	must(cmd.MarkFlagRequired("name"))
	return cmd
}

// readPassword takes a password from standard input: on the command line
// everybody on the machine could read it.
func (c *cli) readPassword() (string, error) {
	b, err := io.ReadAll(io.LimitReader(c.in, 4096))
	return strings.TrimRight(string(b), "\r\n"), err
}

func (c *cli) accountSet() *cobra.Command {
	var req control.AccountSet
	var quota, messages int64
	cmd := &cobra.Command{
		Use: "set LOGIN", Short: "Change an account; what is not given stays", Args: cobra.ExactArgs(1),
		Example: `  vanthu account set chuyenvien1@soyte.dienbien.test --state locked`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Login = args[0]
			if cmd.Flags().Changed("quota") {
				req.QuotaMiB = &quota
			}
			if cmd.Flags().Changed("quota-messages") {
				req.QuotaMessages = &messages
			}
			return answer(cmd, c, control.CallAccountSet, req, printMade)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Name, "name", "", "`name` as shown to others")
	f.StringVar(&req.State, "state", "", "`state`: active, locked (gets mail, no log-in), disabled")
	f.StringVar(&req.Unit, "unit", "", "`unit` whose roles --role replaces")
	f.StringSliceVar(&req.Roles, "role", nil, "`roles` in that unit")
	f.Int64Var(&quota, "quota", 0, "quota in `MiB`; 0 is the default of the configuration")
	f.Int64Var(&messages, "quota-messages", 0, "the `number` of messages that its mailboxes may hold; 0 is no limit")
	return cmd
}

func (c *cli) accountVacate() *cobra.Command {
	var req control.AccountVacate
	cmd := &cobra.Command{
		Use: "vacate LOGIN", Short: "Disable the account of somebody who has left; a successor gets its mail", Args: cobra.ExactArgs(1),
		Long: `Nobody can log in to the account any more. Its mail goes to the successor, and each sender is told so once a day.
"vanthu account set LOGIN --state active" takes it back.`,
		Example: `  vanthu account vacate chuyenvien1@soyte.dienbien.test --successor vanthu@soyte.dienbien.test`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Login = args[0]
			return answer(cmd, c, control.CallAccountVacate, req, func(w io.Writer, a directory.Account) error {
				return line("account %s is disabled; its mail goes to %s", a.Login, a.Successor)(w)
			})
		}),
	}
	cmd.Flags().StringVar(&req.Successor, "successor", "", "`address` here that gets the mail")
	must(cmd.MarkFlagRequired("successor"))
	return cmd
}

func (c *cli) accountPassword() *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use: "password LOGIN", Short: "Give an account another password: a made one, or one from standard input", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) (err error) {
			req := control.AccountSet{Login: args[0], MakePassword: !stdin}
			if stdin {
				if req.Password, err = c.readPassword(); err != nil {
					return err
				}
			}
			return answer(cmd, c, control.CallAccountSet, req, printMade)
		}),
	}
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (c *cli) accountImport() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Add many accounts from a CSV file",
		Long: `Adds accounts from a CSV file with the columns login,name,unit,roles,password,quota_mib.
An empty password lets one be made: it is printed here, once. When any line is
wrong, all wrong lines are told and nothing is changed.`,
		Example: `  vanthu account import accounts.csv --dry-run
  vanthu account import accounts.csv > passwords.txt`,
		Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var res control.AccountImported
			if err := c.call(cmd.Context(), control.CallAccountImport,
				control.AccountImport{CSV: string(text), DryRun: dryRun}, &res, c.bar("accounts")); err != nil {
				return err
			}
			return c.printImport(res)
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only check the file")
	return cmd
}

func (c *cli) printImport(res control.AccountImported) error {
	if c.json {
		if err := c.printJSON(res); err != nil {
			return err
		}
	} else {
		for _, p := range res.Problems {
			fmt.Fprintf(c.err, "line %d: %s\n", p.Line, p.Text.EN)
		}
		for _, a := range res.Created {
			if a.Password != "" {
				fmt.Fprintf(c.out, "%s\t%s\n", a.Login, a.Password)
			}
		}
		switch {
		case len(res.Problems) > 0:
			fmt.Fprintf(c.err, "%d lines are wrong: nothing was changed\n", len(res.Problems))
		case res.DryRun:
			fmt.Fprintf(c.err, "%d accounts would be added\n", res.Total)
		default:
			fmt.Fprintf(c.err, "%d accounts added\n", len(res.Created))
		}
	}
	if len(res.Problems) > 0 {
		return errSilent
	}
	return nil
}

// bar shows how far a long call has come, on a terminal only.
func (c *cli) bar(what string) control.Progress {
	if !c.terminal() {
		return nil
	}
	var b *progressbar.ProgressBar
	return func(done, total int) {
		if b == nil {
			b = progressbar.NewOptions(total, progressbar.OptionSetWriter(c.err), progressbar.OptionShowCount(),
				progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish(), progressbar.OptionShowIts())
		}
		_ = b.Set(done) // a bar that cannot be drawn is no reason to stop
	}
}
