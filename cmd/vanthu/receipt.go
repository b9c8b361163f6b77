package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vanthu/internal/app"
	"vanthu/internal/control"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/receipt"
)

func (c *cli) receiptCmd() *cobra.Command {
	return parent("receipt", "Receipts: evidence of what became of a document", c.receiptVerify(), c.receiptShow())
}

// receiptResult is what receipt verify and show print.
type receiptResult struct {
	OK      bool            `json:"ok"`
	Code    string          `json:"code"`
	Receipt receipt.Receipt `json:"receipt"`
	Named   string          `json:"named,omitempty"` // file of the receipt that the given file is
}

func (c *cli) receiptVerify() *cobra.Command {
	var pub, document string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Check a receipt, without a server: signature, code, and the document's file", Args: cobra.ExactArgs(1),
		Long: `Checks a receipt that lies in a file: the message as a mail client saves it (.eml), or its
attachment bien-nhan.json alone. No server, configuration or data is needed with --pub:
the file with the server's public key, which lies beside the private one (journal/key.pub).
Exit code 0: genuine. Exit code 1: not, and why.`,
		Example: `  vanthu receipt verify bien-nhan.eml --pub key.pub --document QD123.pdf`,
		RunE: c.runs(func(_ *cobra.Command, args []string) error {
			keys, err := c.publicKeys(pub)
			if err != nil {
				return err
			}
			content, text, err := receiptIn(args[0])
			if err != nil {
				return err
			}
			rec, code, err := receipt.Open(content, keys)
			if err != nil {
				return err
			}
			if text != "" && !strings.Contains(text, code.String()) {
				return fault.Newf(fault.Invalid, "the text of the message does not name the code %s: it belongs to another receipt", code)
			}
			res := receiptResult{OK: true, Code: code.String(), Receipt: rec}
			if document != "" {
				if res.Named, err = fileOf(rec, document); err != nil {
					return err
				}
			}
			return c.printReceipt(res)
		}),
	}
	cmd.Flags().StringVar(&pub, "pub", "", "`file` with the public key of the server; else that of the configuration")
	cmd.Flags().StringVar(&document, "document", "", "`file` that must be one of the document's")
	return cmd
}

func (c *cli) receiptShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CODE", Short: "Show a receipt of this server by its code, after checking it", Args: cobra.ExactArgs(1),
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			keys, err := c.publicKeys("")
			if err != nil {
				return err
			}
			var f control.ReceiptFile
			if err := c.call(cmd.Context(), control.CallReceiptShow, control.ReceiptNamed{Code: args[0]}, &f, nil); err != nil {
				return err
			}
			rec, code, err := receipt.Open(f.Content, keys)
			if err != nil {
				return err
			}
			return c.printReceipt(receiptResult{OK: true, Code: code.String(), Receipt: rec})
		}),
	}
}

// publicKeys reads the lines of a file of public keys; without a name, those of
// the configuration.
func (c *cli) publicKeys(file string) ([]string, error) {
	if file == "" {
		cfg, err := c.load()
		if err != nil {
			return nil, err
		}
		return app.JournalKey(cfg).Public()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(text)), nil
}

// receiptIn finds the receipt in a file, and the text of its message.
func receiptIn(name string) (content []byte, text string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	raw, err := io.ReadAll(io.LimitReader(f, 4*receipt.MaxFile))
	if err != nil {
		return nil, "", err
	}
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return bytes.TrimSpace(raw), "", nil
	}
	scan := mail.NewScanner(mail.Limits{})
	if _, err := scan.Write(raw); err != nil {
		return nil, "", err
	}
	m := scan.Finish()
	atts := m.Attachments()
	i := slices.IndexFunc(atts, func(a mail.Attachment) bool { return a.Name == receipt.File })
	if i < 0 {
		return nil, "", fault.Newf(fault.Invalid, "%s holds no %s: it is no receipt", name, receipt.File)
	}
	if content, err = io.ReadAll(atts[i].Part.Decoder(bytes.NewReader(raw))); err != nil {
		return nil, "", err
	}
	body := m.Root
	for len(body.Children) > 0 {
		body = body.Children[0]
	}
	shown, err := io.ReadAll(body.Decoder(bytes.NewReader(raw)))
	return content, string(shown), err
}

// fileOf gives the name under which a receipt has a file.
func fileOf(rec receipt.Receipt, name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	for _, f := range rec.Document.Files {
		if f.SHA256 == hex.EncodeToString(sum[:]) {
			return f.Name, nil
		}
	}
	return "", fault.Newf(fault.Invalid, "%s (SHA-256 %x) is none of the files that the receipt names", name, sum)
}

func (c *cli) printReceipt(res receiptResult) error {
	if c.json {
		return c.printJSON(res)
	}
	r := res.Receipt
	lines := []string{
		"genuine: " + res.Code + ", signed by " + r.Server,
		r.Kind.Name() + " (" + string(r.Kind) + ")",
		"document: " + r.Document.Code + "  " + r.Document.Abstract,
		"from:     " + r.From.Name,
	}
	for i, p := range r.To {
		if i == 5 {
			lines = append(lines, fmt.Sprintf("          and %d more", len(r.To)-i))
			break
		}
		lines = append(lines, "to:       "+p.Name)
	}
	lines = append(lines, "at:       "+shownTime(r.At))
	if r.Number > 0 {
		lines = append(lines, fmt.Sprintf("số đến:   %d/%d", r.Number, r.Year))
	}
	if r.Reason != "" || r.Note != "" {
		lines = append(lines, "reason:   "+strings.TrimSpace(r.Reason+" "+r.Note))
	}
	lines = append(lines, fmt.Sprintf("journal:  entry %d; head at entry %d, %s", r.Journal, r.Chain.Seq, r.Chain.Head))
	if res.Named != "" {
		lines = append(lines, "file:     "+res.Named)
	}
	return line("%s", strings.Join(lines, "\n"))(c.out)
}
