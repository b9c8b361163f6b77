package filter

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// Limits of archives. Only the beginning of each file is ever unpacked; the
// sizes are those the archive declares, for whoever opens it next.
const (
	maxEntries   = 5_000
	maxDirectory = 4 << 20   // octets of the list of files, before it is read
	maxUnpacked  = 500 << 20 // octets in all
	maxRatio     = 200       // unpacked to packed octets of a file …
	minRatio     = 10 << 20  // … that has more octets than this
	maxInMemory  = 1 << 20   // a larger archive goes to a file meanwhile
)

// scrap keeps an archive while it is looked into.
type scrap struct{ dir string }

// hold gives random access to what r has. done must be called.
func (s scrap) hold(r io.Reader) (at io.ReaderAt, size int64, done func() error, err error) {
	var mem bytes.Buffer
	n, err := io.CopyN(&mem, r, maxInMemory)
	if errors.Is(err, io.EOF) {
		return bytes.NewReader(mem.Bytes()), n, func() error { return nil }, nil
	}
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read an attachment: %w", err)
	}
	f, err := os.CreateTemp(s.dir, "archive-*")
	if err != nil {
		return nil, 0, nil, err
	}
	if err := os.Remove(f.Name()); err != nil { // it lives until it is closed, and leaves nothing behind after a crash
		return nil, 0, nil, errors.Join(err, f.Close())
	}
	size, err = io.Copy(f, io.MultiReader(&mem, r))
	if err != nil {
		return nil, 0, nil, errors.Join(fmt.Errorf("unpack an attachment: %w", err), f.Close())
	}
	return f, size, f.Close, nil
}

// inside looks one level into archives and office documents.
func (a *Attachments) inside(name, ext string, is kind, r io.Reader) (d Decision, err error) {
	if is == kindOLE {
		return a.ole(name, r)
	}
	at, size, done, err := a.scrap.hold(r)
	if err != nil {
		return Decision{}, err
	}
	defer func() { err = errors.Join(err, done()) }()
	if listTooLong(at, size) {
		return tooLarge(name), nil
	}
	z, err := zip.NewReader(at, size)
	if err != nil { // damaged: nobody else can open it either, or can see more than we do
		return a.risky(name, CodeArchive, "cannot be opened", "không mở được"), nil
	}
	if len(z.File) > maxEntries {
		return tooLarge(name), nil
	}
	office := ext != "zip" && slices.ContainsFunc(z.File, func(f *zip.File) bool {
		return f.Name == "[Content_Types].xml" || f.Name == "mimetype" || f.Name == "META-INF/manifest.xml"
	})
	var total uint64
	for _, f := range z.File {
		total += f.UncompressedSize64
		if total > maxUnpacked || f.UncompressedSize64 > minRatio && f.UncompressedSize64/maxRatio > f.CompressedSize64 {
			return tooLarge(name), nil
		}
		d = worse(d, a.entry(name, f, office))
		if d.Action == Refuse {
			return d, nil
		}
	}
	return d, nil
}

// entry checks one file in an archive.
func (a *Attachments) entry(archive string, f *zip.File, office bool) Decision {
	full := strings.ReplaceAll(f.Name, `\`, "/")
	// A link leads out of the folder as well as a path does: the next file is written through it.
	special := f.Mode().Type()&^fs.ModeDir != 0
	if special || strings.HasPrefix(full, "/") || slices.Contains(strings.Split(full, "/"), "..") || strings.Contains(full, ":") {
		return Decision{Action: Refuse, Code: CodeArchive, File: archive, Text: fault.Text{
			EN: fmt.Sprintf("the archive %q would write outside of its folder, or has links; pack it anew", archive),
			VI: fmt.Sprintf("tệp nén “%s” có đường dẫn hoặc liên kết nguy hiểm; hãy nén lại", archive),
		}}
	}
	if strings.HasSuffix(full, "/") {
		return Decision{}
	}
	shown := archive + " → " + mail.CleanFileName(path.Base(full))
	if f.Flags&1 != 0 {
		return a.risky(archive, CodeArchive, "is encrypted, so that it cannot be looked into", "được đặt mật khẩu nên không kiểm tra được")
	}
	head, err := beginning(f)
	if err != nil {
		return a.risky(archive, CodeArchive, "cannot be opened", "không mở được")
	}
	is := sniff(head)
	if office {
		switch base := strings.ToLower(path.Base(full)); {
		case is == kindProgram:
			return refuseProgram(shown)
		case base == "vbaproject.bin" || strings.HasPrefix(strings.ToLower(full), "basic/"):
			return a.risky(archive, CodeMacro, "has macros, which are programs", "có macro (chương trình)")
		}
		return Decision{}
	}
	ext := extension(mail.CleanFileName(path.Base(full)))
	switch {
	case ext == "":
		ext = usual("", is)
	case ext == "zip", slices.Contains(a.rules.Hold, ext):
		return a.risky(archive, CodeArchive, "holds another archive", "chứa tệp nén khác bên trong")
	}
	return a.byName(shown, ext, is)
}

// beginning unpacks the first octets of a file.
func beginning(f *zip.File) (head []byte, err error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	head = make([]byte, 1024)
	n, err := io.ReadFull(r, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:n], err
}

func tooLarge(name string) Decision {
	return Decision{Action: Refuse, Code: CodeArchive, File: name, Text: fault.Text{
		EN: fmt.Sprintf("the archive %q is too large when unpacked; send its files in several messages", name),
		VI: fmt.Sprintf("tệp nén “%s” quá lớn khi giải nén; hãy chia thành nhiều thư", name),
	}}
}

// listTooLong looks at the end of a zip file, before its list of files is read
// into memory. A list that lies about its length is found by its place: the
// library reads from there to the end.
func listTooLong(at io.ReaderAt, size int64) bool {
	const record = 22
	tail := make([]byte, min(size, 64<<10+record))
	if _, err := at.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return false // the library will say the same
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail)-i < record {
		return false
	}
	le := binary.LittleEndian
	entries, length, begin := le.Uint16(tail[i+10:]), le.Uint32(tail[i+12:]), le.Uint32(tail[i+16:])
	if entries == 0xffff || length == 0xffffffff || begin == 0xffffffff { // zip64: more than mail can carry
		return true
	}
	end := size - int64(len(tail)) + int64(i)
	return entries > maxEntries || length > maxDirectory || end-int64(begin) > maxDirectory
}

// ole looks for macros and encryption in an old office document. Names of its
// streams are UTF-16. [MS-OVBA] section 2.2.1; [MS-OFFCRYPTO] section 2.3.
func (a *Attachments) ole(name string, r io.Reader) (Decision, error) {
	macro, locked := utf16("_VBA_PROJECT"), utf16("EncryptedPackage")
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case bytes.Contains(buf, macro):
			return a.risky(name, CodeMacro, "has macros, which are programs", "có macro (chương trình)"), nil
		case bytes.Contains(buf, locked):
			return a.risky(name, CodeArchive, "is encrypted, so that it cannot be looked into", "được đặt mật khẩu nên không kiểm tra được"), nil
		case errors.Is(err, io.EOF):
			return Decision{}, nil
		case err != nil:
			return Decision{}, fmt.Errorf("read an attachment: %w", err)
		}
		if len(buf) == cap(buf) {
			buf = append(buf[:0], buf[len(buf)-len(locked):]...)
		}
	}
}

func utf16(s string) []byte {
	var b []byte
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return b
}
