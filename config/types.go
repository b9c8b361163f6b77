package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Duration is a span of time, written with a unit: "90s", "5m", "4h", "5d".
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d with the largest units that fit it exactly.
func (d Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(d)
	switch {
	case t == 0:
		return "0s"
	case t%day == 0:
		return fmt.Sprintf("%dd", t/day)
	case t%time.Hour == 0:
		return fmt.Sprintf("%dh", t/time.Hour)
	case t%time.Minute == 0:
		return fmt.Sprintf("%dm", t/time.Minute)
	}
	return t.String()
}

// UnmarshalText reads a span of time. Days ("5d") stand alone; everything
// else is as in [time.ParseDuration]. Negative spans are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return errNotDuration
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	t, err := time.ParseDuration(s)
	if err != nil || t < 0 {
		return errNotDuration
	}
	*d = Duration(t)
	return nil
}

// Size is a number of octets, written with a unit: "512MiB", "2GiB".
type Size int64

var sizeUnits = [...]struct {
	name string
	size Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes s with the largest unit that fits it exactly.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s >= u.size && s%u.size == 0 {
			return fmt.Sprintf("%d%s", s/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// UnmarshalText reads a number of octets; the unit must be there.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > int64((1<<62)/u.size) {
			return errNotSize
		}
		*s = Size(n) * u.size
		return nil
	}
	return errNotSize
}

// Listen is an address to listen on, "host:port" or ":port", or "" for off.
// The host is an IP address or "localhost"; port 0 lets the system choose.
type Listen string

// On tells whether there is anything to listen on.
func (l Listen) On() bool { return l != "" }

// UnmarshalText reads an address; "off" is the same as "".
func (l *Listen) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" || s == "off" {
		*l = ""
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errNotListen
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errNotListen
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return errNotListen
		}
	}
	*l = Listen(s)
	return nil
}

// Domain is a mail domain, lower case and NFC.
type Domain string

// UnmarshalText reads a domain name.
func (d *Domain) UnmarshalText(text []byte) error {
	name, ok := domainName(string(text))
	if !ok {
		return errNotDomain
	}
	*d = Domain(name)
	return nil
}

// Host is the name of a machine, lower case and NFC, or an IP address, or "".
type Host string

// UnmarshalText reads a host name or IP address.
func (h *Host) UnmarshalText(text []byte) error {
	s := string(text)
	if s == "" {
		*h = ""
		return nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		*h = Host(addr.String())
		return nil
	}
	name, ok := domainName(s)
	if !ok {
		return errNotHost
	}
	*h = Host(name)
	return nil
}

// RouteTLS says how a connection to another server is protected.
type RouteTLS string

// The ways to protect a connection to another server.
const (
	StartTLS    RouteTLS = "starttls" // demanded, not opportunistic
	ImplicitTLS RouteTLS = "implicit"
	MaybeTLS    RouteTLS = "opportunistic"
	NoTLS       RouteTLS = "none"
)

// domainName returns s in canonical form when it is a domain name: labels of
// letters, digits and inner hyphens, 63 octets each, 253 in all (RFC 1035,
// section 2.3.4; RFC 5890 for letters beyond ASCII).
func domainName(s string) (string, bool) {
	s = strings.ToLower(norm.NFC.String(s))
	if s == "" || len(s) > 253 {
		return "", false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "", false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, r := range label {
			if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
				return "", false
			}
		}
	}
	return s, true
}

var (
	errNotDuration = errors.New(`is not a duration`)
	errNotSize     = errors.New(`is not a size`)
	errNotListen   = errors.New(`is not an address to listen on`)
	errNotDomain   = errors.New(`is not a domain name`)
	errNotHost     = errors.New(`is not a host name`)
)
