package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/sieve"
)

// Rule is one line of a rule table: what holds of a message, and what is done
// with it then. Conditions that are empty do not count.
type Rule struct {
	Name     string    `json:"name,omitempty"`
	From     []string  `json:"from,omitempty"`    // one of them is in the From field, in any case, without diacritics
	To       []string  `json:"to,omitempty"`      // … in To or Cc, or in the address that the message came for
	Subject  []string  `json:"subject,omitempty"` // … in the subject
	Document *Document `json:"document,omitempty"`

	Folder   string   `json:"folder,omitempty"`
	Flags    []string `json:"flags,omitempty"`
	Forward  []string `json:"forward,omitempty"`
	Keep     bool     `json:"keep,omitempty"`     // a copy in INBOX as well
	Continue bool     `json:"continue,omitempty"` // ask the rules after it too
}

// Document is what holds of an official document.
type Document struct {
	Is      *bool    `json:"is,omitempty"` // it is one, or not
	State   []string `json:"state,omitempty"`
	Type    []string `json:"type,omitempty"`
	Urgency []string `json:"urgency,omitempty"`
}

const (
	maxRules = 200
	maxTexts = 50  // of one condition
	maxText  = 200 // characters
)

func invalid(en, vi string, args ...any) error {
	return fault.New(fault.Invalid, fault.Text{EN: fmt.Sprintf(en, args...), VI: fmt.Sprintf(vi, args...)})
}

// check brings a table to its canonical form.
func (s *Store) check(o Owner, list []Rule) ([]Rule, error) {
	if len(list) > maxRules {
		return nil, invalid("there can be at most %d rules", "tối đa %d quy tắc", maxRules)
	}
	for i := range list {
		if err := s.checkRule(o, &list[i]); err != nil {
			return nil, err
		}
	}
	if n := len(Sieve(list)); n > sieve.MaxScript {
		return nil, invalid("the rules are too long together", "tổng các quy tắc quá dài")
	}
	return list, nil
}

func (s *Store) checkRule(o Owner, r *Rule) error {
	texts := []*[]string{&r.From, &r.To, &r.Subject}
	if d := r.Document; d != nil {
		texts = append(texts, &d.State, &d.Type, &d.Urgency)
	}
	for _, list := range texts {
		if len(*list) > maxTexts {
			return invalid("a condition has at most %d texts", "mỗi điều kiện có tối đa %d giá trị", maxTexts)
		}
		for i, t := range *list {
			(*list)[i] = norm.NFC.String(strings.TrimSpace(t))
			if !fit((*list)[i]) {
				return invalid("%q cannot be looked for: it is empty, too long or has control characters", "giá trị %q không hợp lệ", t)
			}
		}
	}
	for _, t := range []*string{&r.Name, &r.Folder} {
		if *t = norm.NFC.String(strings.TrimSpace(*t)); *t != "" && !fit(*t) {
			return invalid("%q is too long or has control characters", "%q quá dài hoặc có ký tự điều khiển", *t)
		}
	}
	if r.Folder == "" && len(r.Flags) == 0 && len(r.Forward) == 0 && !r.Keep {
		return invalid("the rule does nothing: name a folder, flags, an address to forward to, or keep",
			"quy tắc chưa có hành động: hãy chọn thư mục, nhãn, địa chỉ chuyển tiếp hoặc giữ lại")
	}
	if len(r.Forward) > sieve.MaxRedirects {
		return invalid("a rule forwards to at most %d addresses", "mỗi quy tắc chuyển tiếp tới tối đa %d địa chỉ", sieve.MaxRedirects)
	}
	for i, f := range r.Forward {
		a, err := mail.ParseAddress(f, true)
		if err != nil {
			return err
		}
		if s.opt.MayForward != nil {
			if err := s.opt.MayForward(o, a); err != nil {
				return err
			}
		}
		r.Forward[i] = a.String()
	}
	return checkFlags(r.Flags)
}

func checkFlags(list []string) error {
	if len(list) > 20 {
		return invalid("a rule sets at most 20 flags", "mỗi quy tắc đặt tối đa 20 nhãn")
	}
	for _, f := range list {
		name, system := strings.CutPrefix(f, `\`)
		switch strings.ToLower(name) {
		case "seen", "flagged", "answered", "draft":
			continue
		}
		bad := strings.ContainsFunc(f, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`(){%*"\]`, r) })
		if system || bad || f == "" || len(f) > 64 {
			return invalid(`%q is no flag: use \Seen, \Flagged, or a word of plain letters`,
				`%q không phải nhãn: dùng \Seen, \Flagged hoặc một từ không dấu`, f)
		}
	}
	return nil
}

func fit(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxText && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError
	})
}

// Sieve gives the script that a rule table becomes, "" for an empty one.
func Sieve(list []Rule) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`require ["fileinto", "envelope", "imap4flags", "copy", "vnd.vanthu.document", "comparator-vnd.vanthu.fold"];` + "\n")
	for i, r := range list {
		fmt.Fprintf(&b, "\n# %d %s\n", i+1, strings.Map(oneLine, r.Name))
		r.sieve(&b)
	}
	return b.String()
}

func oneLine(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

func (r *Rule) sieve(b *strings.Builder) {
	const contains = `:contains :comparator "vnd.vanthu.fold" `
	var tests []string
	if len(r.From) > 0 {
		tests = append(tests, "header "+contains+`"from" `+strs(r.From))
	}
	if len(r.To) > 0 {
		tests = append(tests, "anyof (header "+contains+`["to", "cc"] `+strs(r.To)+", envelope "+contains+`"to" `+strs(r.To)+")")
	}
	if len(r.Subject) > 0 {
		tests = append(tests, "header "+contains+`"subject" `+strs(r.Subject))
	}
	if d := r.Document; d != nil {
		switch {
		case d.Is != nil && *d.Is:
			tests = append(tests, "document")
		case d.Is != nil:
			tests = append(tests, "not document")
		}
		for _, c := range []struct {
			tag  string
			list []string
		}{{":state", d.State}, {":type", d.Type}, {":urgency", d.Urgency}} {
			if len(c.list) > 0 {
				tests = append(tests, "document "+c.tag+" "+strs(c.list))
			}
		}
	}
	switch len(tests) {
	case 0:
		b.WriteString("if true {\n")
	case 1:
		b.WriteString("if " + tests[0] + " {\n")
	default:
		b.WriteString("if allof (" + strings.Join(tests, ",\n  ") + ") {\n")
	}
	if len(r.Flags) > 0 {
		b.WriteString("  addflag " + strs(r.Flags) + ";\n")
	}
	if r.Folder != "" {
		b.WriteString("  fileinto " + str(r.Folder) + ";\n")
	}
	for _, f := range r.Forward {
		b.WriteString("  redirect " + str(f) + ";\n")
	}
	if r.Keep {
		b.WriteString("  keep;\n")
	}
	if !r.Continue {
		b.WriteString("  stop;\n")
	}
	b.WriteString("}\n")
}

func str(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func strs(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = str(s)
	}
	if len(out) == 1 {
		return out[0]
	}
	return "[" + strings.Join(out, ", ") + "]"
}
