package directory

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

const (
	maxName          = 200 // characters of a name
	maxShortName     = 64
	maxCode          = 35 // QĐ 20/2020/QĐ-TTg
	maxQuotaMiB      = 1 << 20
	maxQuotaMessages = 1_000_000_000
	maxMembers       = 5000
)

func invalid(t fault.Text) error  { return fault.New(fault.Invalid, t) }
func conflict(t fault.Text) error { return fault.New(fault.Conflict, t) }

// cleanText brings a text that a person has typed to NFC without blanks around
// it.
func cleanText(s string) string { return norm.NFC.String(strings.TrimSpace(s)) }

// unfit tells whether s holds characters that do not show, or change how
// others show: controls, line ends, direction marks.
func unfit(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	})
}

func checkName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return invalid(fault.Text{EN: "name is missing", VI: "thiếu tên"})
	case n > maxName:
		return invalid(fault.Text{EN: "name is longer than 200 characters", VI: "tên dài quá 200 ký tự"})
	case unfit(name):
		return invalid(fault.Text{EN: "name contains control characters", VI: "tên có ký tự điều khiển"})
	}
	return nil
}

// checkShortName: it is the name of a folder in every mail client, so that
// neither the separator nor the wild cards of IMAP may be in it.
func checkShortName(name string) error {
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return invalid(fault.Text{EN: "short name is missing", VI: "thiếu tên viết tắt"})
	case n > maxShortName:
		return invalid(fault.Text{EN: "short name is longer than 64 characters", VI: "tên viết tắt dài quá 64 ký tự"})
	case unfit(name), strings.ContainsAny(name, `/\*%`), name == ".", name == "..":
		return invalid(fault.Text{
			EN: `short name must do as a folder name: without / \ * % and control characters`,
			VI: `tên viết tắt dùng làm tên thư mục: không được có / \ * % và ký tự điều khiển`,
		})
	}
	return nil
}

// checkCode wants an identifier by QĐ 20/2020/QĐ-TTg: a letter A–Y and two
// digits, then groups of letters and digits joined by dots.
func checkCode(code string) error {
	first, rest, more := strings.Cut(code, ".")
	ok := len(code) <= maxCode && len(first) == 3 && 'A' <= first[0] && first[0] <= 'Y' && allIn(first[1:], digits)
	for more {
		var group string
		group, rest, more = strings.Cut(rest, ".")
		ok = ok && group != "" && allIn(group, capitals+digits)
	}
	if !ok {
		return invalid(fault.Text{
			EN: fmt.Sprintf("unit code %q is not of the form H18.26.001 (QĐ 20/2020/QĐ-TTg)", code),
			VI: fmt.Sprintf("mã định danh %q không đúng dạng H18.26.001 (QĐ 20/2020/QĐ-TTg)", code),
		})
	}
	return nil
}

// checkLegacyCode wants an identifier of QCVN 102:2016: up to three groups of
// two or three digits before the one of the province, "000.00.26.H18".
func checkLegacyCode(code string) error {
	groups := strings.Split(code, ".")
	last := groups[len(groups)-1]
	ok := len(groups) >= 2 && len(groups) <= 4 && len(last) == 3 && 'A' <= last[0] && last[0] <= 'Y' && allIn(last[1:], digits)
	for _, g := range groups[:len(groups)-1] {
		ok = ok && (len(g) == 2 || len(g) == 3) && allIn(g, digits)
	}
	if !ok {
		return invalid(fault.Text{
			EN: fmt.Sprintf("former unit code %q is not of the form 000.00.26.H18 (QCVN 102:2016)", code),
			VI: fmt.Sprintf("mã định danh cũ %q không đúng dạng 000.00.26.H18 (QCVN 102:2016)", code),
		})
	}
	return nil
}

const (
	digits   = "0123456789"
	capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// allIn tells whether each character of s is one of set.
func allIn(s, set string) bool { return strings.Trim(s, set) == "" }

// localAddress brings an address that is to become ours to its canonical form, in lower
// case: it must be of one of our domains and without detail.
func (s *Snapshot) localAddress(a mail.Address) (mail.Address, error) {
	got, err := mail.ParseAddress(a.String(), true)
	if err != nil {
		return mail.Address{}, err
	}
	got = fold(got)
	if !s.isLocal[Domain(got.Domain)] {
		return mail.Address{}, invalid(fault.Text{
			EN: fmt.Sprintf("domain %s of %s is not ours; add it first", got.Domain, got),
			VI: fmt.Sprintf("tên miền %s của %s không thuộc máy chủ này; cần thêm tên miền trước", got.Domain, got),
		})
	}
	if strings.Contains(got.Local, "+") {
		return mail.Address{}, invalid(fault.Text{
			EN: fmt.Sprintf("address %s may not contain +, which parts off details", got),
			VI: fmt.Sprintf("địa chỉ %s không được có dấu +", got),
		})
	}
	return got, nil
}

// free gives an error of kind fault.Conflict when somebody has the address already. A
// unit that has ceased to exist does not count.
func (s *Snapshot) free(a mail.Address) error {
	p, ok := s.byAddress[a]
	if !ok {
		return nil
	}
	if p.kind == TargetUnit {
		if u := &s.units[p.index]; !u.To.IsZero() && !s.now().Before(u.To) {
			return nil
		}
	}
	return conflict(fault.Text{
		EN: fmt.Sprintf("address %s is taken already by an existing %s", a, p.kind),
		VI: fmt.Sprintf("địa chỉ %s đã được sử dụng", a),
	})
}

// reachable wants an address that may be the target of an alias or the member
// of a group: foreign, or somebody's.
func (s *Snapshot) reachable(a mail.Address) (mail.Address, error) {
	got, err := mail.ParseAddress(a.String(), true)
	if err != nil {
		return mail.Address{}, err
	}
	if !s.isLocal[Domain(got.Domain)] {
		return got, nil
	}
	got = fold(got)
	if _, err := s.Resolve(got); err != nil {
		return mail.Address{}, fault.Wrap(fault.Invalid, err, fault.Text{
			EN: fmt.Sprintf("nobody here has the address %s", got), VI: fmt.Sprintf("không có ai dùng địa chỉ %s", got),
		})
	}
	return got, nil
}

func (s *Snapshot) checkRoles(roles []Assignment) error {
	seen := map[Assignment]bool{}
	for _, r := range roles {
		_, exists := s.unitAt[r.Unit]
		switch {
		case !r.Role.known():
			return invalid(fault.Text{
				EN: fmt.Sprintf("unknown role %q; known are %s", r.Role, joinRoles()),
				VI: fmt.Sprintf("không có vai trò %q; các vai trò: %s", r.Role, joinRoles()),
			})
		case r.Unit == 0 && r.Role != RoleAdmin && r.Role != RoleAuditor:
			return invalid(fault.Text{
				EN: fmt.Sprintf("role %s needs a unit", r.Role), VI: fmt.Sprintf("vai trò %s phải thuộc một đơn vị", r.Role),
			})
		case r.Unit != 0 && !exists:
			return invalid(fault.Text{EN: fmt.Sprintf("no unit %d", r.Unit), VI: fmt.Sprintf("không có đơn vị %d", r.Unit)})
		case seen[r]:
			return invalid(fault.Text{
				EN: fmt.Sprintf("role %s is given twice", r.Role), VI: fmt.Sprintf("vai trò %s bị lặp", r.Role),
			})
		}
		seen[r] = true
	}
	return nil
}

func joinRoles() string {
	var names []string
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

func checkQuota(mib int64) error {
	if mib < 0 || mib > maxQuotaMiB {
		return invalid(fault.Text{
			EN: "quota must be between 0 and 1048576 MiB", VI: "hạn mức phải từ 0 đến 1048576 MiB",
		})
	}
	return nil
}
