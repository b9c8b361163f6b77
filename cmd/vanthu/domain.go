package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/mailauth"
)

func (c *cli) domainCmd() *cobra.Command {
	return parent("domain", "Mail domains: what other servers must know of them, and keys", c.domainDNS(),
		parent("key", "Keys that sign mail (DKIM), and those of other domains", c.keyList(),
			c.keyAct("new", "Make the keys that will follow the present ones",
				"Publish what \"vanthu domain dns\" then prints, wait a day for caches, and activate them."),
			c.keyAct("activate", "Sign with the new keys from now on",
				"The old ones must stay published for a week, for mail that is still on its way; then remove them."),
			c.keyTrust(), c.keyRemove()))
}

// dnsRecord is one record that the administrator of a DNS zone adds.
type dnsRecord struct {
	Name  string            `json:"name"`
	Type  string            `json:"type"`
	Value string            `json:"value"`
	State mailauth.KeyState `json:"state,omitempty"` // of a key
}

func (c *cli) domainDNS() *cobra.Command {
	return &cobra.Command{
		Use: "dns [DOMAIN]", Short: "Print the DNS records that let other servers check our mail", Args: cobra.MaximumNArgs(1),
		Long: `Prints TXT records: the keys (DKIM), which servers send (SPF) and what to do with
the rest (DMARC). Where there is no DNS, give the keys to the other vanthu server:

  vanthu domain key trust DOMAIN SELECTOR "v=DKIM1; k=ed25519; p=…"`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			var req control.DomainKeys
			if len(args) > 0 {
				req.Domain = mailauth.Domain(args[0])
			}
			var keys []mailauth.Key
			if err := c.call(cmd.Context(), control.CallDomainKeys, req, &keys, nil); err != nil {
				return err
			}
			records := dnsRecords(keys)
			if c.json {
				return c.printJSON(records)
			}
			for _, r := range records {
				if _, err := fmt.Fprintf(c.out, "%s. %s %s\n", r.Name, r.Type, txtStrings(r.Value)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

// dnsRecords gives the records for the domains of keys that are ours.
func dnsRecords(keys []mailauth.Key) []dnsRecord {
	out := []dnsRecord{}
	seen := map[mailauth.Domain]bool{}
	for _, k := range keys {
		if k.State == mailauth.KeyTrusted {
			continue
		}
		if !seen[k.Domain] {
			seen[k.Domain] = true
			out = append(out,
				dnsRecord{Name: string(k.Domain), Type: "TXT", Value: "v=spf1 mx -all"},
				dnsRecord{Name: "_dmarc." + string(k.Domain), Type: "TXT", Value: "v=DMARC1; p=reject; adkim=r; aspf=r"})
		}
		out = append(out, dnsRecord{Name: k.Name(), Type: "TXT", Value: string(k.Record), State: k.State})
	}
	return out
}

// txtStrings writes the text of a TXT record in quoted pieces of at most 255
// octets. RFC 1035, section 3.3.14.
func txtStrings(s string) string {
	const most = 255
	out := ""
	for len(s) > most {
		out += `"` + s[:most] + `" `
		s = s[most:]
	}
	return out + `"` + s + `"`
}

func (c *cli) keyList() *cobra.Command {
	return &cobra.Command{
		Use: "list [DOMAIN]", Short: "List keys: active ones sign, trusted ones belong to others", Args: cobra.MaximumNArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			var req control.DomainKeys
			if len(args) > 0 {
				req.Domain = mailauth.Domain(args[0])
			}
			return answer(cmd, c, control.CallDomainKeys, req, func(w io.Writer, list []mailauth.Key) error {
				rows := make([][]string, len(list))
				for i, k := range list {
					rows[i] = []string{string(k.Domain), string(k.Selector), string(k.State), shownTime(k.Changed), string(k.Record)}
				}
				return table(w, []string{"DOMAIN", "SELECTOR", "STATE", "SINCE", "RECORD"}, rows)
			})
		}),
	}
}

func (c *cli) keyAct(act, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: act + " DOMAIN", Short: short, Long: short + ".\n\n" + long, Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallDomainKeyAct, control.DomainKeyAct{Act: act, Domain: mailauth.Domain(args[0])},
				func(w io.Writer, _ control.None) error {
					return line("%s: done. See \"vanthu domain dns %s\"", args[0], args[0])(w)
				})
		}),
	}
}

func (c *cli) keyTrust() *cobra.Command {
	return &cobra.Command{
		Use: "trust DOMAIN SELECTOR RECORD", Short: "Check mail of another domain with this key", Args: cobra.ExactArgs(3),
		Long: `For networks without DNS: takes the key of another domain, as its server prints it
by "vanthu domain dns". From then on, mail that names this domain as its author
and is not signed with such a key is treated as forged (trust.forged).`,
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			return answer(cmd, c, control.CallDomainKeyAct, control.DomainKeyAct{
				Act: "trust", Domain: mailauth.Domain(args[0]), Selector: mailauth.Selector(args[1]), Record: mailauth.Record(args[2]),
			}, func(w io.Writer, _ control.None) error {
				return line("mail of %s is checked with key %s from now on", args[0], args[1])(w)
			})
		}),
	}
}

func (c *cli) keyRemove() *cobra.Command {
	req := control.DomainKeyAct{Act: "remove"}
	cmd := &cobra.Command{
		Use: "remove DOMAIN SELECTOR", Short: "Forget a key that does not sign any more, or another domain's", Args: cobra.ExactArgs(2),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Domain, req.Selector = mailauth.Domain(args[0]), mailauth.Selector(args[1])
			return answer(cmd, c, control.CallDomainKeyAct, req, func(w io.Writer, _ control.None) error {
				if req.DryRun {
					return line("key %s of %s would be removed; nothing was changed", args[1], args[0])(w)
				}
				return line("key %s of %s removed", args[1], args[0])(w)
			})
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only say what would happen")
	return cmd
}
