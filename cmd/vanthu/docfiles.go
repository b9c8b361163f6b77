package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"vanthu/internal/control"
	"vanthu/internal/fault"
)

func (c *cli) docFiles() *cobra.Command {
	req := control.DocumentFile{}
	var dir string
	cmd := &cobra.Command{
		Use: "files CODE", Short: "List the files of a document, those packed in edXML too, or write them into a folder", Args: cobra.ExactArgs(1),
		Example: "  vanthu doc files 123/QĐ-UBND\n  vanthu doc files 123/QĐ-UBND -o thu-muc",
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Code, req.Content = args[0], dir != ""
			list := []control.FileContent{}
			for of := 1; req.Index < of; req.Index++ {
				var f control.FileContent
				if err := c.call(cmd.Context(), control.CallDocumentFile, req, &f, nil); err != nil {
					return err
				}
				of = f.Of
				if dir != "" {
					name, err := keep(dir, f)
					if err != nil {
						return err
					}
					f.Name, f.Content = name, nil
				}
				list = append(list, f)
			}
			if c.json {
				return c.printJSON(list)
			}
			return printFiles(c.out, list)
		}),
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "`folder` to write them into; it is made when it does not exist")
	cmd.Flags().StringVar(&req.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	return cmd
}

func printFiles(w io.Writer, list []control.FileContent) error {
	rows := make([][]string, len(list))
	for i, f := range list {
		rows[i] = []string{f.Name, fmt.Sprint(f.Size), f.Type, f.SHA256}
	}
	return table(w, []string{"FILE", "BYTES", "TYPE", "SHA256"}, rows)
}

// keep writes a file into a folder and gives the name it has there. The name
// that its sender wrote cannot lead anywhere else, and nothing is overwritten:
// a file that is there already with the same content is left alone.
func keep(dir string, f control.FileContent) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	name := safeName(f.Name)
	for n := 2; ; n++ {
		switch there, err := root.ReadFile(name); {
		case errors.Is(err, fs.ErrNotExist):
			return name, writeNew(root, name, f.Content)
		case err != nil:
			return "", err
		default:
			if sum := sha256.Sum256(there); hex.EncodeToString(sum[:]) == f.SHA256 {
				return name, nil
			}
		}
		ext := path.Ext(f.Name)
		name = safeName(fmt.Sprintf("%s-%d%s", strings.TrimSuffix(f.Name, ext), n, ext))
	}
}

func writeNew(root *os.Root, name string, content []byte) error {
	w, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.Close())
}

const maxName = 200

// safeName gives a file name without anything that means more than a name.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, s)
	s = strings.TrimLeft(strings.TrimSpace(s), ".")
	if ext := path.Ext(s); len(s) > maxName { // file systems take 255 octets
		if len(ext) > 20 {
			ext = ""
		}
		s = strings.ToValidUTF8(s[:maxName-len(ext)], "") + ext
	}
	if s == "" {
		return "tep"
	}
	return s
}

func (c *cli) docExport() *cobra.Command {
	req := control.DocumentExport{}
	var format, out string
	cmd := &cobra.Command{
		Use: "export CODE", Short: "Export a document for other systems: an edXML package with its files, or its statuses", Args: cobra.ExactArgs(1),
		Example: "  vanthu doc export 123/QĐ-UBND --format edxml -o 123.edxml\n  vanthu doc export 123/QĐ-UBND --format status -o thu-muc",
		RunE: c.runs(func(cmd *cobra.Command, args []string) error {
			req.Code, req.Format = args[0], control.ExportFormat(format)
			var list []control.FileContent
			if err := c.call(cmd.Context(), control.CallDocumentExport, req, &list, nil); err != nil {
				return err
			}
			if req.Format == control.FormatEdXML && len(list) == 1 {
				if out == "-" {
					_, err := c.out.Write(list[0].Content)
					return err
				}
				if err := writeOut(out, list[0].Content); err != nil {
					return err
				}
				list[0].Name = out
			} else {
				if out == "-" {
					return fault.Newf(fault.Invalid, "several files: name a folder with -o")
				}
				for i := range list {
					name, err := keep(out, list[i])
					if err != nil {
						return err
					}
					list[i].Name = name
				}
			}
			for i := range list {
				list[i].Content = nil
			}
			if c.json {
				return c.printJSON(list)
			}
			return printFiles(c.out, list)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&format, "format", string(control.FormatEdXML), "edxml, or status: one message for each recipient unit")
	f.StringVarP(&out, "output", "o", "", "`file` to write, - for standard output; of statuses the folder")
	f.StringVar(&req.Issuer, "issuer", "", "issuing `unit`, when several have the code")
	f.BoolVar(&req.Outside, "outside", false, "name only recipients outside of this server")
	must(cmd.MarkFlagRequired("output"))
	return cmd
}

// writeOut writes a new file.
func writeOut(name string, content []byte) error {
	w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if errors.Is(err, fs.ErrExist) {
		return fault.Newf(fault.Conflict, "%s is there already: remove it, or choose another name", name)
	}
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return errors.Join(err, w.Close())
}
