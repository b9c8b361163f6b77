package delivery

import (
	"bytes"
	"slices"

	"vanthu/docstore"
	"vanthu/internal/edoc"
	"vanthu/internal/extract"
	"vanthu/internal/fault"
	"vanthu/internal/filter"
)

// What is packed in an attached edXML file is looked at as if it were attached
// by itself.

// packedSecret gives the secrecy mark in the text files of a package.
func packedSecret(p *edoc.Package) edoc.SecretLevel {
	level := edoc.SecretNone
	if p == nil {
		return level
	}
	for i := range p.Files {
		text := p.Files[i].Data
		if text = text[:min(len(text), maxSecretText)]; bytes.IndexByte(text, 0) < 0 {
			level = max(level, edoc.CheckSecret("", string(text)))
		}
	}
	return level
}

// readsPacked tells whether a package holds a file that is read after acceptance.
func (d *Delivery) readsPacked(p *edoc.Package) bool {
	return p != nil && slices.ContainsFunc(p.Files, func(f edoc.PackageFile) bool {
		return d.opt.Reads(extract.File{Media: f.Sniff(), Name: f.Name})
	})
}

// checkPacked holds the files of a package against the rules for attachments.
func (in *Incoming) checkPacked() (d filter.Decision, err error) {
	a, p := in.d.opt.Screen.Attachments, in.rec.EdXML
	if a == nil || p == nil {
		return filter.Decision{}, nil
	}
	for i := range p.Files {
		f := &p.Files[i]
		one, err := a.File(f.Name, f.Sniff(), bytes.NewReader(f.Data))
		if err != nil {
			return filter.Decision{}, err
		}
		if one.Action > d.Action {
			d = one
		}
	}
	return d, nil
}

// WarnSignature is the code of the warning that a package bears a signature
// that proves nothing.
const WarnSignature = "CHU_KY_YEU"

// signatureWarning tells of weak signatures in the package.
func signatureWarning(p *edoc.Package) (docstore.Warning, bool) {
	if p == nil {
		return docstore.Warning{}, false
	}
	for _, s := range p.Signatures {
		if s.Weak() {
			return docstore.Warning{Code: WarnSignature, Text: fault.Text{
				EN: "the edXML package is signed by a weak algorithm (SHA-1), which proves nothing; look at the signature of the file itself",
				VI: "gói edXML ký bằng thuật toán yếu (SHA-1), không còn giá trị chứng minh; hãy kiểm tra chữ ký số của chính tệp văn bản",
			}}, true
		}
	}
	return docstore.Warning{}, false
}
