package portal

import (
	"encoding/xml"
	"net"
	"net/http"
	"strconv"
)

// The Mozilla autoconfig document, as Thunderbird, K-9 and others read it.
// https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat
type clientConfig struct {
	XMLName  xml.Name `xml:"clientConfig"`
	Version  string   `xml:"version,attr"`
	Provider struct {
		ID               string       `xml:"id,attr"`
		Domains          []string     `xml:"domain"`
		DisplayName      string       `xml:"displayName"`
		DisplayShortName string       `xml:"displayShortName"`
		Incoming         []mailServer `xml:"incomingServer"`
		Outgoing         []mailServer `xml:"outgoingServer"`
		Documentation    struct {
			URL  string `xml:"url,attr"`
			Desc []desc `xml:"descr"`
		} `xml:"documentation"`
	} `xml:"emailProvider"`
}

type mailServer struct {
	Type           string `xml:"type,attr"`
	Hostname       string `xml:"hostname"`
	Port           int    `xml:"port"`
	SocketType     string `xml:"socketType"` // SSL, STARTTLS
	Authentication string `xml:"authentication"`
	Username       string `xml:"username"`
}

type desc struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

// service is one way into the mail services, in the order clients should try.
type service struct {
	protocol string // imap, smtp
	port     int
	implicit bool // TLS from the first byte, else STARTTLS
}

// services lists what is on; TLS from the first byte comes first (RFC 8314).
func (p *Portal) services() []service {
	var on []service
	for _, s := range []service{
		{"imap", p.info.Ports.IMAPS, true},
		{"imap", p.info.Ports.IMAP, false},
		{"smtp", p.info.Ports.Submissions, true},
		{"smtp", p.info.Ports.Submission, false},
	} {
		if s.port != 0 {
			on = append(on, s)
		}
	}
	return on
}

// autoconfig answers Mozilla clients. Some ask without an address and fill in
// %EMAILADDRESS% themselves, so the address never stands in the answer.
func (p *Portal) autoconfig(w http.ResponseWriter, r *http.Request) {
	domain := p.info.Domains[0]
	if address := r.URL.Query().Get("emailaddress"); address != "" {
		ours, ok := p.domain(address)
		if !ok {
			p.problem(w, r, http.StatusNotFound)
			return
		}
		domain = ours
	} else if ours, ok := p.domain(hostOnly(r.Host)); ok {
		domain = ours
	}
	var c clientConfig
	c.Version = "1.1"
	c.Provider.ID = domain
	c.Provider.Domains = p.info.Domains
	c.Provider.DisplayName = p.info.Organisation
	c.Provider.DisplayShortName = domain
	for _, s := range p.services() {
		server := mailServer{
			Type: s.protocol, Hostname: p.info.Hostname, Port: s.port, SocketType: "STARTTLS",
			Authentication: "password-cleartext", Username: "%EMAILADDRESS%",
		}
		if s.implicit {
			server.SocketType = "SSL"
		}
		if s.protocol == "imap" {
			c.Provider.Incoming = append(c.Provider.Incoming, server)
		} else {
			c.Provider.Outgoing = append(c.Provider.Outgoing, server)
		}
	}
	c.Provider.Documentation.URL = p.address()
	c.Provider.Documentation.Desc = []desc{
		{"vi", text("title", "vi")},
		{"en", text("title", "en")},
	}
	p.writeXML(w, r, "text/xml; charset=utf-8", c)
}

// writeXML answers with v as an XML document.
func (p *Portal) writeXML(w http.ResponseWriter, r *http.Request, contentType string, v any) {
	body, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		p.opt.Log.Error("cannot write XML", "err", err)
		p.problem(w, r, http.StatusInternalServerError)
		return
	}
	answer(w, contentType, append([]byte(xml.Header), append(body, '\n')...))
}

// address is the start page's, as a person would type it. Before our own
// authority is installed a browser warns of TLS, so plain HTTP comes first then.
func (p *Portal) address() string {
	scheme, port, standard := "https", p.info.Ports.HTTPS, 443
	if plain := p.info.Ports.HTTP; plain != 0 && (p.ca != nil || port == 0) {
		scheme, port, standard = "http", plain, 80
	}
	host := p.info.Hostname
	if port != standard && port != 0 {
		host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return scheme + "://" + host + "/"
}

func hostOnly(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
