package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/app"
	"vanthu/internal/blob"
	"vanthu/internal/control"
	"vanthu/internal/journal"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

func (c *cli) auditCmd() *cobra.Command {
	return parent("audit", "Evidence: verify and read the journal", c.auditVerify(), c.auditList())
}

// auditResult is what audit verify --json prints.
type auditResult struct {
	OK          bool        `json:"ok"`
	Entries     int64       `json:"entries"`
	Head        string      `json:"head"`
	Checkpoints int         `json:"checkpoints"`
	Unsigned    int64       `json:"unsigned"` // entries after the newest checkpoint
	Registers   int         `json:"registers"`
	Dispatches  int         `json:"dispatches"`
	Messages    int64       `json:"messages"`
	First       *auditWrong `json:"first_wrong"`
}

// auditWrong names the first thing that is wrong.
type auditWrong struct {
	Kind     string `json:"kind"`
	Key      string `json:"key"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

func (c *cli) auditVerify() *cobra.Command {
	var keys []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify journal, registers and stored messages, without a server and without writing anything",
		Long: `Verifies the chain of the journal against its signed checkpoints, every register and
dispatch against its events, and every stored message against its hash. The data is
opened read-only; a server may or may not run. Exit code 0: all intact. Exit code 1:
the first wrong entry is named.`,
		Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			res, err := verifyData(cmd.Context(), cfg, keys)
			if err != nil {
				return err
			}
			return c.printAudit(res)
		}),
	}
	cmd.Flags().StringSliceVar(&keys, "key", nil, "verifier `keys` kept outside the server; else the public key beside the private one")
	return cmd
}

func verifyData(ctx context.Context, cfg *config.Config, keys []string) (res auditResult, err error) {
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: cfg.DataDir, ReadOnly: true})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if len(keys) == 0 {
		if keys, err = app.JournalKey(cfg).Public(); err != nil {
			return res, err
		}
	}
	signed, err := journal.VerifyCheckpoints(app.JournalDir(cfg), keys)
	if err != nil {
		return res, err
	}
	if w := signed.First; w != nil {
		res.First = &auditWrong{w.Kind, fmt.Sprint(w.Key), w.Expected, w.Found}
		return res, nil
	}
	blobs, err := blob.Open(blob.Options{Dir: filepath.Join(cfg.DataDir, app.BlobFolder), ReadOnly: true})
	if err != nil {
		return res, err
	}
	err = db.View(ctx, func(r sqldb.Reader) error { return verifyStores(ctx, r, blobs, signed, &res) })
	res.OK = err == nil && res.First == nil
	return res, err
}

// verifyStores looks at one snapshot, so that a running server does not matter.
func verifyStores(ctx context.Context, r sqldb.Reader, blobs *blob.Store, signed journal.CheckpointReport, res *auditResult) error {
	j, err := journal.Verify(ctx, r, journal.VerifyOptions{Checkpoints: signed.Checkpoints})
	if err != nil {
		return err
	}
	res.Entries, res.Head, res.Checkpoints, res.Unsigned = j.Entries, j.Head.String(), j.Checkpoints, j.Unsigned
	if w := j.First; w != nil {
		res.First = &auditWrong{w.Kind, fmt.Sprint(w.Key), w.Expected, w.Found}
		return nil
	}
	d, err := docstore.Verify(ctx, r)
	if err != nil {
		return err
	}
	res.Registers, res.Dispatches = d.Books, d.Dispatches
	if w := d.First; w != nil {
		res.First = &auditWrong{w.Kind, w.Key, w.Expected, w.Found}
		return nil
	}
	m, err := mailstore.Verify(ctx, r, blobs, mailstore.VerifyOptions{})
	if err != nil {
		return err
	}
	res.Messages = m.Messages
	if w := m.First; w != nil {
		res.First = &auditWrong{w.Kind, w.Key, w.Expected, w.Found}
	}
	return nil
}

func (c *cli) printAudit(res auditResult) error {
	if c.json {
		if err := c.printJSON(res); err != nil {
			return err
		}
	} else if w := res.First; w != nil {
		fmt.Fprintf(c.out, "WRONG: %s %s: expected %s, found %s\n", w.Kind, w.Key, w.Expected, w.Found)
	} else {
		fmt.Fprintf(c.out, "all intact: %d journal entries (%d after the newest of %d checkpoints), %d registers, %d dispatches, %d messages\nhead %s\n",
			res.Entries, res.Unsigned, res.Checkpoints, res.Registers, res.Dispatches, res.Messages, res.Head)
	}
	if !res.OK {
		return errSilent
	}
	return nil
}

func (c *cli) auditList() *cobra.Command {
	var req control.JournalList
	cmd := &cobra.Command{
		Use: "list", Short: "Print entries of the journal, newest first, one JSON object a line", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallJournalEntries, req, func(w io.Writer, entries []json.RawMessage) error {
				for _, e := range entries {
					if err := line("%s", e)(w); err != nil {
						return err
					}
				}
				return nil
			})
		}),
	}
	cmd.Flags().StringVar(&req.Ref, "ref", "", "only about this queue `id`, document, login …")
	cmd.Flags().IntVar(&req.Limit, "limit", 50, "at most so many")
	return cmd
}
