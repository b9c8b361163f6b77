package portal

import (
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"
)

// policy lets pages load nothing but our own style sheet and pictures, run no
// script at all, and stand in no frame.
const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard puts headers on every answer and turns away what no handler serves.
func (p *Portal) guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.problem(w, r, http.StatusForbidden)
	}))
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")

		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPost:
		case http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
			h.Set("Allow", "GET, HEAD, POST")
			p.problem(w, r, http.StatusMethodNotAllowed)
			return
		default:
			p.problem(w, r, http.StatusNotImplemented)
			return
		}
		if !p.ours(r.Host) {
			p.problem(w, r, http.StatusMisdirectedRequest)
			return
		}
		// None of our paths needs an escape or a clean-up; the multiplexer
		// would answer these with redirects.
		if r.URL.RawPath != "" || path.Clean(r.URL.Path) != r.URL.Path {
			p.problem(w, r, http.StatusNotFound)
			return
		}
		if strings.EqualFold(r.URL.Path, autodiscoverPath) { // Outlook writes it in several ways
			r.URL.Path = autodiscoverPath
		}
		r.Body = http.MaxBytesReader(w, r.Body, bodyBytes)
		protected.ServeHTTP(w, r)
	})
}

// fallback answers what no route matched.
func (p *Portal) fallback(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == autodiscoverPath:
		w.Header().Set("Allow", "POST")
		p.problem(w, r, http.StatusMethodNotAllowed)
	case r.Method == http.MethodPost:
		w.Header().Set("Allow", "GET, HEAD")
		p.problem(w, r, http.StatusMethodNotAllowed)
	default:
		p.problem(w, r, http.StatusNotFound)
	}
}

// ours tells whether a Host header names this server. Bare IP addresses do:
// no page elsewhere can make a browser send one for a name it controls.
func (p *Portal) ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if p.names[host] {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// trusted tells whether the peer may see metrics and details of health:
// this machine and Options.MetricsAllow. What a proxy hands on is a stranger's.
func (p *Portal) trusted(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := peer.Addr().Unmap()
	if addr.IsLoopback() {
		return true
	}
	for _, network := range p.opt.MetricsAllow {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// strictTransport tells browsers to come by TLS only for a year. RFC 6797;
// for localhost it would cut off every other program on the machine.
func strictTransport(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !strings.EqualFold(host, "localhost") {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
