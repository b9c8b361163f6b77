package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vanthu/docstore"
	"vanthu/internal/control"
)

func (c *cli) registerCmd() *cobra.Command {
	return parent("register", "Registers of documents", c.registerShow())
}

func (c *cli) registerShow() *cobra.Command {
	var req control.RegisterShow
	cmd := &cobra.Command{
		Use: "show", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallRegisterShow, req, func(w io.Writer, b control.RegisterBook) error { fmt.Fprintln(w, b); return nil })
		}),
	}
	_ = docstore.DirectionIn
	cmd.Flags().StringVar(&req.Unit, "unit", "", "`unit`")
	return cmd
}
