package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"golang.org/x/text/language"
	"rsc.io/qr"
)

//go:embed web
var web embed.FS

// asset is a file pages refer to, under a name that changes with its content.
type asset struct {
	contentType string
	body        []byte
}

// page is what the template sees.
type page struct {
	Lang, Other      string
	Organisation     string
	Style, Icon, QR  string // asset names
	Status           int    // of a problem; 0 on the start page
	Reason           string
	Hostname, Domain string
	Address          string // of the start page
	Services         []row
	CA               string   // fingerprint; "" for none
	Trust            []string // catalogue keys of ways to install it
}

type row struct {
	Key         string // catalogue key
	Port        int
	Security    string
	Recommended bool
}

// render makes all assets and pages; nothing is left to fail later.
func (p *Portal) render() error {
	p.assets = make(map[string]asset)
	p.pages = make(map[pageKey][]byte)
	style, err := web.ReadFile("web/style.css")
	if err != nil {
		return err
	}
	icon, err := web.ReadFile("web/icon.svg")
	if err != nil {
		return err
	}
	code, err := qr.Encode(p.address(), qr.M)
	if err != nil {
		return fmt.Errorf("draw QR code: %w", err)
	}
	base := page{
		Organisation: p.info.Organisation, Hostname: p.info.Hostname, Domain: p.info.Domains[0], Address: p.address(),
		Style: p.addAsset("style", ".css", "text/css; charset=utf-8", style),
		Icon:  p.addAsset("icon", ".svg", "image/svg+xml", icon),
		QR:    p.addAsset("qr", ".svg", "image/svg+xml", drawQR(code)),
		Trust: []string{"ca.windows", "ca.thunderbird", "ca.android"},
	}
	if p.ca != nil {
		base.CA = p.fingerprint()
	}
	for _, s := range p.services() {
		r := row{Key: "service." + s.protocol, Port: s.port, Security: "STARTTLS", Recommended: s.implicit}
		if s.implicit {
			r.Security = "SSL/TLS"
		}
		base.Services = append(base.Services, r)
	}
	for _, lang := range []string{vietnamese, english} {
		if p.pages[pageKey{lang, 0}], err = base.in(lang); err != nil {
			return err
		}
		for _, status := range problemStatuses {
			v := base
			v.Status, v.Reason = status, text(fmt.Sprintf("problem.%d", status), lang)
			if p.pages[pageKey{lang, status}], err = v.in(lang); err != nil {
				return err
			}
		}
	}
	return nil
}

// problemStatuses are the statuses the portal answers problems with.
var problemStatuses = [...]int{400, 403, 404, 405, 413, 415, 421, 500, 501}

// pageKey names a rendered page; status 0 is the start page.
type pageKey struct {
	lang   string
	status int
}

// in renders the page in one language.
func (v page) in(lang string) ([]byte, error) {
	v.Lang, v.Other = lang, english
	if lang == english {
		v.Other = vietnamese
	}
	t, err := template.New("page.html").Funcs(template.FuncMap{
		"t":     func(key string, args ...any) string { return text(key, lang, args...) },
		"steps": func(key string) []string { return steps(key, lang) },
	}).ParseFS(web, "web/page.html")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// addAsset keeps a file and returns its name, which holds its hash.
func (p *Portal) addAsset(stem, extension, contentType string, body []byte) string {
	sum := sha256.Sum256(body)
	name := stem + "-" + hex.EncodeToString(sum[:6]) + extension
	p.assets[name] = asset{contentType, body}
	return name
}

// drawQR draws code as SVG with the quiet zone of four modules that ISO/IEC
// 18004 asks for.
func drawQR(code *qr.Code) []byte {
	const quiet = 4
	var b strings.Builder
	side := code.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side, side, side)
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return []byte(b.String())
}

func (p *Portal) startPage(w http.ResponseWriter, r *http.Request) {
	lang := choose(r)
	h := w.Header()
	h.Set("Content-Language", lang)
	h.Set("Vary", "Accept-Language")
	answer(w, "text/html; charset=utf-8", p.pages[pageKey{lang, 0}])
}

func (p *Portal) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.PathValue("name")]
	if !ok {
		p.fallback(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	answer(w, a.contentType, a.body)
}

// choose picks the language: ?lang= first, then what the browser prefers,
// then Vietnamese.
func choose(r *http.Request) string {
	switch lang := r.URL.Query().Get("lang"); lang {
	case vietnamese, english:
		return lang
	}
	accepted, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(accepted) == 0 {
		return vietnamese
	}
	matcher := language.NewMatcher([]language.Tag{language.Vietnamese, language.English})
	if _, i, confidence := matcher.Match(accepted...); confidence > language.No && i == 1 {
		return english
	}
	return vietnamese
}

// problem answers with a page that says in words what status means, and
// repeats nothing of the request.
func (p *Portal) problem(w http.ResponseWriter, r *http.Request, status int) {
	lang := choose(r)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(p.pages[pageKey{lang, status}]) //nolint:errcheck // the client has gone; there is nobody to tell
	}
}
