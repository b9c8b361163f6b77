package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Organ is an organisation that is reached by edXML, written "CODE ADDRESS
// NAME"; older codes follow the first with "+".
type Organ struct {
	Codes   []string // upper case; the first is written, all are understood
	Address string   // lower case
	Name    string
}

// String writes it as it is read.
func (o Organ) String() string { return strings.Join(o.Codes, "+") + " " + o.Address + " " + o.Name }

var errNotOrgan = errors.New("is not an organisation")

// UnmarshalText reads an organisation.
func (o *Organ) UnmarshalText(text []byte) error {
	words := strings.Fields(string(text))
	if len(words) < 3 || strings.ContainsFunc(strings.Join(words, ""), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return errNotOrgan
	}
	codes := strings.Split(strings.ToUpper(words[0]), "+")
	for _, c := range codes {
		// QĐ 20/2020/QĐ-TTg and QCVN 102:2016: letters, digits and dots, at most 35.
		if len(c) < 3 || len(c) > 35 || strings.ContainsFunc(c, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' }) {
			return errNotOrgan
		}
	}
	local, domain, ok := strings.Cut(strings.ToLower(words[1]), "@")
	domain, isDomain := domainName(domain)
	if !ok || !isDomain || local == "" || strings.ContainsFunc(local, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_", r)
	}) {
		return errNotOrgan
	}
	*o = Organ{Codes: codes, Address: local + "@" + domain, Name: strings.Join(words[2:], " ")}
	return nil
}

func (c *Config) validateEdXML(report report) {
	x := c.EdXML
	for path, dir := range map[string]string{"edxml.inbox": x.Inbox, "edxml.outbox": x.Outbox} {
		if dir == "" {
			continue
		}
		switch info, err := os.Stat(dir); {
		case err != nil:
			report(path, dir+" cannot be used: "+reason(err), "make the folder; the other system writes or reads there")
		case !info.IsDir():
			report(path, dir+" is not a folder", "")
		}
	}
	if x.Inbox != "" && x.Inbox == x.Outbox {
		report("edxml.outbox", "is the inbox too: what is written would be taken again", "name two folders")
	}
	if len(x.Organs) > 0 && x.Outbox == "" {
		report("edxml.outbox", "is missing beside edxml.organs", "documents to these organisations are written there")
	}
	if p := x.Poll.Std(); p < 100*time.Millisecond || p > time.Hour {
		report("edxml.poll", fmt.Sprintf("%s is not between 100ms and 1h", x.Poll), "")
	}
	codes, addresses := map[string]bool{}, map[string]bool{}
	for _, o := range x.Organs {
		for _, code := range o.Codes {
			if codes[code] {
				report("edxml.organs", fmt.Sprintf("names %q twice", code), "remove one of the two")
			}
			codes[code] = true
		}
		if addresses[o.Address] {
			report("edxml.organs", fmt.Sprintf("gives %s to two organisations", o.Address), "each has an address of its own")
		}
		addresses[o.Address] = true
		_, domain, _ := strings.Cut(o.Address, "@")
		if slices.Contains(c.Domains, Domain(domain)) {
			report("edxml.organs", fmt.Sprintf("%q is a domain of this server", domain), "give organisations outside a domain of their own, such as truc.tinh.example")
		}
		if slices.ContainsFunc(c.Routes, func(r Route) bool { return strings.EqualFold(r.Domain, domain) }) {
			report("edxml.organs", fmt.Sprintf("%q has a route: its mail goes there", domain), "remove the route, or choose another domain")
		}
	}
}
