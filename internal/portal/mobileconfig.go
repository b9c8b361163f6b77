package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"vanthu/internal/mail"
)

const profilePath = "/vanthu.mobileconfig"

// mobileconfig answers with a profile that sets up Apple Mail on a phone,
// tablet or Mac for the address in ?email=, own authority included. It holds
// no password; the device asks for it.
func (p *Portal) mobileconfig(w http.ResponseWriter, r *http.Request) {
	address, err := mail.ParseAddress(r.URL.Query().Get("email"), true)
	if _, ours := p.domain(address.Domain); err != nil || !ours {
		p.problem(w, r, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="vanthu.mobileconfig"`)
	w.Header().Set("Cache-Control", "no-store")
	answer(w, "application/x-apple-aspen-config", p.profile(address))
}

// profile writes the property list. Its identifiers depend on the address
// alone, so that a second installation replaces the first. Keys as in Apple's
// "Configuration Profile Reference", payloads Mail and Certificate Root.
func (p *Portal) profile(address mail.Address) []byte {
	name := p.info.Organisation
	id := reverse(p.info.Domains[0]) + ".vanthu." + identifier(address.Key(), "id")[:8]
	account := dict{
		{"PayloadType", "com.apple.mail.managed"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", id + ".mail"},
		{"PayloadUUID", identifier(address.Key(), "mail")},
		{"PayloadDisplayName", address.String()},
		{"EmailAccountType", "EmailTypeIMAP"},
		{"EmailAccountDescription", name},
		{"EmailAddress", address.String()},
	}
	done := make(map[string]bool)
	for _, s := range p.services() {
		if done[s.protocol] {
			continue
		}
		done[s.protocol] = true
		way := "IncomingMailServer"
		if s.protocol == "smtp" {
			way = "OutgoingMailServer"
		}
		account = append(account, dict{
			{way + "Authentication", "EmailAuthPassword"},
			{way + "HostName", p.info.Hostname},
			{way + "PortNumber", s.port},
			{way + "UseSSL", true}, // with STARTTLS ports too: Apple tells them apart by itself
			{way + "Username", address.String()},
		}...)
	}
	account = append(account, entry{"OutgoingPasswordSameAsIncomingPassword", true})
	payloads := []dict{account}
	if p.ca != nil {
		payloads = append(payloads, dict{
			{"PayloadType", "com.apple.security.root"},
			{"PayloadVersion", 1},
			{"PayloadIdentifier", id + ".ca"},
			{"PayloadUUID", identifier(address.Key(), "ca")},
			{"PayloadDisplayName", "CA " + name},
			{"PayloadContent", p.ca.Raw},
		})
	}
	var b strings.Builder
	b.WriteString(xml.Header)
	b.WriteString(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n")
	b.WriteString("<plist version=\"1.0\">\n")
	writePlist(&b, dict{
		{"PayloadType", "Configuration"},
		{"PayloadVersion", 1},
		{"PayloadIdentifier", id},
		{"PayloadUUID", identifier(address.Key(), "profile")},
		{"PayloadDisplayName", name},
		{"PayloadOrganization", name},
		{"PayloadDescription", address.String()},
		{"PayloadContent", payloads},
	})
	b.WriteString("</plist>\n")
	return []byte(b.String())
}

// dict is a property list's dictionary with its order kept.
type dict []entry

type entry struct {
	key   string
	value any // string, int, bool, []byte, dict, []dict
}

func writePlist(b *strings.Builder, value any) {
	switch v := value.(type) {
	case string:
		b.WriteString("<string>" + escape(v) + "</string>\n")
	case int:
		b.WriteString("<integer>" + strconv.Itoa(v) + "</integer>\n")
	case bool:
		b.WriteString("<" + strconv.FormatBool(v) + "/>\n")
	case []byte:
		b.WriteString("<data>" + base64.StdEncoding.EncodeToString(v) + "</data>\n")
	case dict:
		b.WriteString("<dict>\n")
		for _, e := range v {
			b.WriteString("<key>" + escape(e.key) + "</key>")
			writePlist(b, e.value)
		}
		b.WriteString("</dict>\n")
	case []dict:
		b.WriteString("<array>\n")
		for _, d := range v {
			writePlist(b, d)
		}
		b.WriteString("</array>\n")
	default:
		panic("portal: no property list type for this value")
	}
}

func escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a Builder does not fail
	}
	return b.String()
}

// identifier makes a UUID of version 8 (RFC 9562, section 5.8) that is the
// same for the same address and part.
func identifier(address, part string) string {
	sum := sha256.Sum256([]byte("vanthu profile\x00" + part + "\x00" + address))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := strings.ToUpper(hex.EncodeToString(sum[:16]))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// reverse turns "tinh.example" into "example.tinh".
func reverse(domain string) string {
	labels := strings.Split(domain, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".")
}

// caPEM hands out the own authority's certificate as text.
func (p *Portal) caPEM(w http.ResponseWriter, r *http.Request) {
	if p.ca == nil {
		p.fallback(w, r)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="vanthu-ca.pem"`)
	answer(w, "application/x-pem-file", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.ca.Raw}))
}

// caDER hands it out in the form that Windows and Android open by a click.
func (p *Portal) caDER(w http.ResponseWriter, r *http.Request) {
	if p.ca == nil {
		p.fallback(w, r)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="vanthu-ca.crt"`)
	answer(w, "application/x-x509-ca-cert", p.ca.Raw)
}
