package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/peer"
)

func (c *cli) peerCmd() *cobra.Command {
	return parent("peer", "Other vanthu servers, with which mail, documents and statuses are exchanged",
		c.peerList(), c.peerShow(), c.peerCard(), c.peerAdd(), c.peerRemove())
}

func (c *cli) peerList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List peers", Args: cobra.NoArgs,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			return answer(cmd, c, control.CallPeerList, control.None{}, func(w io.Writer, list []control.Peer) error {
				rows := make([][]string, len(list))
				for i, p := range list {
					rows[i] = []string{string(p.Name), someOf(p.Domains), strings.Join(p.Hosts, ", "), p.Fingerprint, shownTime(p.Added)}
				}
				return table(w, []string{"NAME", "DOMAINS", "HOSTS", "FINGERPRINT", "ADDED"}, rows)
			})
		}),
	}
}

// someOf shortens a list for a table: a province has dozens of domains.
func someOf(list []string) string {
	const most = 3
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:most], ", ") + ", …"
}

func printPeer(w io.Writer, p control.Peer) error {
	for _, r := range [][2]string{
		{"name", string(p.Name)}, {"domains", strings.Join(p.Domains, ", ")}, {"hosts", strings.Join(p.Hosts, ", ")},
		{"certificate", p.Pin}, {"public key", p.Key}, {"fingerprint", p.Fingerprint}, {"added", shownTime(p.Added)},
	} {
		if err := line("%-14s%s", r[0], r[1])(w); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) peerShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a peer", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			p, err := c.findPeer(cmd, args[0])
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(p)
			}
			return printPeer(c.out, p)
		}),
	}
}

func (c *cli) findPeer(cmd *cobra.Command, name string) (control.Peer, error) {
	var list []control.Peer
	if err := c.call(cmd.Context(), control.CallPeerList, control.None{}, &list, nil); err != nil {
		return control.Peer{}, err
	}
	for _, p := range list {
		if strings.EqualFold(string(p.Name), name) {
			return p, nil
		}
	}
	return control.Peer{}, fault.Newf(fault.NotFound, "there is no peer %s; see: vanthu peer list", name)
}

func (c *cli) peerCard() *cobra.Command {
	var file string
	var hosts []string
	cmd := &cobra.Command{
		Use: "card", Short: "Write this server's own card, to be given to the other administrator", Args: cobra.NoArgs,
		Long: `Writes the card by which another vanthu server makes this one its peer: name,
domains, where it is reached, certificate and key. The card holds nothing secret, but
whoever changes it on its way can pose as this server: tell the fingerprint by telephone.`,
		Example: `  vanthu peer card --out the.json
  (on the other server)  vanthu peer add the.json`,
		RunE: c.runs(func(cmd *cobra.Command, _ []string) error {
			var own control.PeerCard
			if err := c.call(cmd.Context(), control.CallPeerCard, control.None{}, &own, nil); err != nil {
				return err
			}
			if len(hosts) > 0 {
				own.Card.Hosts = hosts
				own.Fingerprint = own.Card.Fingerprint()
			}
			text, err := json.MarshalIndent(own.Card, "", "  ")
			if err != nil {
				return err
			}
			text = append(text, '\n')
			if file == "" {
				if _, err := c.out.Write(text); err != nil {
					return err
				}
				return line("fingerprint: %s", own.Fingerprint)(c.err)
			}
			if err := os.WriteFile(file, text, 0o644); err != nil { //nolint:gosec // it is made to be given away
				return err
			}
			return line("%s written; fingerprint: %s", file, own.Fingerprint)(c.out)
		}),
	}
	cmd.Flags().StringVar(&file, "out", "", "`file` to write; else the card is printed")
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "`host:port` at which others reach this server, when it is not the one in the configuration")
	return cmd
}

func (c *cli) peerAdd() *cobra.Command {
	var req control.PeerAdd
	var expect string
	cmd := &cobra.Command{
		Use: "add CARD-FILE", Short: "Make another server a peer by its card", Args: cobra.ExactArgs(1),
		Long: `Makes another vanthu server a peer. From then on mail for its domains goes there, over
TLS with the pinned certificate; mail in the name of its domains is taken from it alone;
and it may report statuses of documents that were sent to it.`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			if req.Card, err = peer.ParseCard(text); err != nil {
				return err
			}
			if got := req.Card.Fingerprint(); expect != "" && !strings.EqualFold(expect, got) {
				return fault.Newf(fault.Denied, "the card's fingerprint is %s, not the expected one: do not use it", got)
			}
			return answer(cmd, c, control.CallPeerAdd, req, printPeer)
		}),
	}
	cmd.Flags().StringVar(&expect, "fingerprint", "", "refuse the card unless it has this `fingerprint`")
	cmd.Flags().StringSliceVar(&req.Hosts, "host", nil, "`host:port` at which the other server is reached from here, instead of what its card says")
	return cmd
}

func (c *cli) peerRemove() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Stop being peers; mail that waits for it stays in the queue", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			p, err := c.findPeer(cmd, args[0])
			if err != nil {
				return err
			}
			if dryRun {
				return line("%s would be removed", p.Name)(c.out)
			}
			return answer(cmd, c, control.CallPeerRemove, control.Named{Name: string(p.Name)}, func(w io.Writer, _ control.None) error {
				return line("%s removed", p.Name)(w)
			})
		}),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	return cmd
}
