package portal

import (
	"encoding/xml"
	"errors"
	"net/http"

	"vanthu/internal/mail"
)

const (
	autodiscoverPath = "/autodiscover/autodiscover.xml"
	outlookSchema    = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	responseSchema   = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
)

// Autodiscover for Outlook: [MS-OXDSCLI], section 2.2.
type autodiscoverRequest struct {
	Request struct {
		Address string `xml:"EMailAddress"`
		Schema  string `xml:"AcceptableResponseSchema"`
	} `xml:"Request"`
}

type autodiscoverResponse struct {
	XMLName  xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	Response struct {
		Schema  string               `xml:"xmlns,attr"`
		User    *autodiscoverUser    `xml:"User,omitempty"`
		Account *autodiscoverAccount `xml:"Account,omitempty"`
		Error   *autodiscoverError   `xml:"Error,omitempty"`
	} `xml:"Response"`
}

type autodiscoverUser struct {
	DisplayName string `xml:"DisplayName"`
}

type autodiscoverAccount struct {
	Type      string                 `xml:"AccountType"`
	Action    string                 `xml:"Action"`
	Protocols []autodiscoverProtocol `xml:"Protocol"`
}

type autodiscoverProtocol struct {
	Type           string `xml:"Type"` // IMAP, SMTP
	Server         string `xml:"Server"`
	Port           int    `xml:"Port"`
	DomainRequired string `xml:"DomainRequired"`
	LoginName      string `xml:"LoginName"`
	SPA            string `xml:"SPA"`
	SSL            string `xml:"SSL"`
	Encryption     string `xml:"Encryption"` // SSL: from the first byte; TLS: STARTTLS
	AuthRequired   string `xml:"AuthRequired"`
}

type autodiscoverError struct {
	Time    string `xml:"Time,attr"`
	ID      string `xml:"Id,attr"`
	Code    int    `xml:"ErrorCode"`
	Message string `xml:"Message"`
	Debug   string `xml:"DebugData"`
}

// autodiscover answers Outlook. The address that was sent comes back as the
// log-in name, once it has proved to be a plain address of ours.
func (p *Portal) autodiscover(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Encoding") != "" {
		p.problem(w, r, http.StatusUnsupportedMediaType)
		return
	}
	var request autodiscoverRequest
	if err := xml.NewDecoder(r.Body).Decode(&request); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			p.problem(w, r, http.StatusRequestEntityTooLarge)
			return
		}
		p.problem(w, r, http.StatusBadRequest)
		return
	}
	var response autodiscoverResponse
	address, err := mail.ParseAddress(request.Request.Address, true)
	_, ours := p.domain(address.Domain)
	switch {
	case err != nil || !ours:
		response.Response.Schema = responseSchema
		response.Response.Error = p.autodiscoverError(500, "The e-mail address is not one of this server.")
	case request.Request.Schema != "" && request.Request.Schema != outlookSchema:
		response.Response.Schema = responseSchema
		response.Response.Error = p.autodiscoverError(601, "The provider for this response schema is not available.")
	default:
		response.Response.Schema = outlookSchema
		response.Response.User = &autodiscoverUser{DisplayName: address.String()}
		account := &autodiscoverAccount{Type: "email", Action: "settings"}
		seen := make(map[string]bool) // Outlook takes the first of a kind and is confused by a second
		for _, s := range p.services() {
			if seen[s.protocol] {
				continue
			}
			seen[s.protocol] = true
			protocol := autodiscoverProtocol{
				Type: "IMAP", Server: p.info.Hostname, Port: s.port,
				DomainRequired: "off", LoginName: address.String(), SPA: "off", SSL: "on",
				Encryption: "TLS", AuthRequired: "on",
			}
			if s.protocol == "smtp" {
				protocol.Type = "SMTP"
			}
			if s.implicit {
				protocol.Encryption = "SSL"
			}
			account.Protocols = append(account.Protocols, protocol)
		}
		response.Response.Account = account
	}
	p.writeXML(w, r, "application/xml; charset=utf-8", response)
}

func (p *Portal) autodiscoverError(code int, message string) *autodiscoverError {
	return &autodiscoverError{Time: p.opt.Now().Format("15:04:05.0000000"), ID: "1", Code: code, Message: message}
}
