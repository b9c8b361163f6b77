package portal

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vanthu/internal/fault"
)

var allPorts = Ports{IMAP: 2143, IMAPS: 2993, Submission: 2587, Submissions: 2465, HTTP: 2080, HTTPS: 2443}

// authority makes a CA certificate, and a server certificate for localhost.
func authority(t testing.TB) ([]byte, tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Training CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newPortal(t *testing.T, opt Options) *Portal {
	t.Helper()
	ca, _ := authority(t)
	p, err := New(Info{
		Organisation: "UBND tỉnh <Điện Biên>", Domains: []string{"dienbien.test", "xa01.dienbien.test"},
		Hostname: "mail.dienbien.test", Names: []string{"thu.dienbien.test"}, Ports: allPorts, CA: ca,
	}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request is one HTTP scenario.
type request struct {
	method, target, host, body string
	header                     map[string]string
	from                       string // remote address; default a stranger's
}

func (q request) do(t *testing.T, h http.Handler) *http.Response {
	t.Helper()
	r := httptest.NewRequest(q.method, q.target, strings.NewReader(q.body))
	r.Host = "mail.dienbien.test"
	if q.host != "" {
		r.Host = q.host
	}
	r.RemoteAddr = "192.0.2.7:4000"
	if q.from != "" {
		r.RemoteAddr = q.from
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func discover(address, schema string) string {
	return `<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` +
		address + `</EMailAddress><AcceptableResponseSchema>` + schema + `</AcceptableResponseSchema></Request></Autodiscover>`
}

func TestScenarios(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := newPortal(t, Options{
		Registry:     registry,
		MetricsAllow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
		Checks: []Check{
			{"database", func(context.Context) error { return nil }},
			{"disk", func(context.Context) error {
				return fault.Wrap(fault.Exhausted, errors.New("statfs /srv/secret: EIO"), fault.Text{EN: "the disk is full"})
			}},
		},
	})
	const config = "/mail/config-v1.1.xml"
	loopback := "127.0.0.1:5000"
	tests := []struct {
		name    string
		q       request
		status  int
		holds   []string
		without []string
	}{
		{"start page", request{method: "GET", target: "/"}, 200,
			[]string{`lang="vi"`, "Thông số kết nối", "mail.dienbien.test", "2993", "2587", "UBND tỉnh &lt;Điện Biên&gt;", "ten@dienbien.test", "/ca.crt", "Mã QR"},
			[]string{"<Điện", "<script", "http://cdn", "https://cdn", "style=", "%!", "Connection settings"}},
		{"start page in English", request{method: "GET", target: "/?lang=en"}, 200,
			[]string{`lang="en"`, "Connection settings", "/?lang=vi"}, []string{"Thông số", "%!"}},
		{"browser prefers English", request{method: "GET", target: "/", header: map[string]string{"Accept-Language": "en-GB,en;q=0.9,vi;q=0.5"}}, 200,
			[]string{`lang="en"`}, nil},
		{"browser prefers French", request{method: "GET", target: "/", header: map[string]string{"Accept-Language": "fr"}}, 200,
			[]string{`lang="vi"`}, nil},
		{"parameter beats browser", request{method: "GET", target: "/?lang=vi", header: map[string]string{"Accept-Language": "en"}}, 200,
			[]string{`lang="vi"`}, nil},
		{"script in the language", request{method: "GET", target: "/?lang=%3Cscript%3Ealert(1)%3C/script%3E"}, 200,
			[]string{`lang="vi"`}, []string{"alert(1)"}},

		{"autoconfig", request{method: "GET", target: config + "?emailaddress=vanthu%40dienbien.test", host: "autoconfig.dienbien.test"}, 200,
			[]string{`<clientConfig version="1.1">`, `<emailProvider id="dienbien.test">`, "<port>2993</port>", "<socketType>SSL</socketType>",
				"<port>2465</port>", "<socketType>STARTTLS</socketType>", "%EMAILADDRESS%", "UBND tỉnh &lt;Điện Biên&gt;"},
			[]string{"vanthu@"}},
		{"autoconfig without address", request{method: "GET", target: config, host: "autoconfig.xa01.dienbien.test"}, 200,
			[]string{`<emailProvider id="xa01.dienbien.test">`, "%EMAILADDRESS%"}, nil},
		{"autoconfig well-known", request{method: "GET", target: "/.well-known/autoconfig" + config, host: "dienbien.test"}, 200,
			[]string{`<emailProvider id="dienbien.test">`}, nil},
		{"autoconfig of a stranger", request{method: "GET", target: config + "?emailaddress=a%40other.example"}, 404,
			[]string{"<!DOCTYPE html>"}, []string{"other.example", "clientConfig"}},

		{"autodiscover", request{method: "POST", target: "/Autodiscover/AutoDiscover.XML", host: "autodiscover.dienbien.test", body: discover("vanthu@soyte.dienbien.test", outlookSchema)}, 200,
			[]string{"<ErrorCode>500</ErrorCode>"}, []string{"soyte"}},
		{"autodiscover for Outlook", request{method: "POST", target: "/autodiscover/autodiscover.xml", body: discover("v&lt;x@dienbien.test", outlookSchema)}, 200,
			[]string{"<ErrorCode>500</ErrorCode>"}, []string{"v&lt;x"}},
		{"autodiscover in odd case", request{method: "POST", target: "/AutoDiscover/autodiscover.xml", body: discover("quantri@dienbien.test", outlookSchema)}, 200,
			[]string{`<Response xmlns="` + outlookSchema + `">`, "<Type>IMAP</Type>", "<Port>2993</Port>", "<Type>SMTP</Type>", "<Port>2465</Port>",
				"<LoginName>quantri@dienbien.test</LoginName>", "<Encryption>SSL</Encryption>"},
			[]string{"2587", "ErrorCode"}},
		{"autodiscover for ActiveSync", request{method: "POST", target: autodiscoverPath, body: discover("quantri@dienbien.test", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006")}, 200,
			[]string{"<ErrorCode>601</ErrorCode>"}, []string{"LoginName"}},
		{"autodiscover by GET", request{method: "GET", target: autodiscoverPath}, 405, nil, []string{"Protocol"}},
		{"autodiscover with rubbish", request{method: "POST", target: autodiscoverPath, body: "<a><b>"}, 400, nil, nil},
		{"autodiscover with an entity", request{method: "POST", target: autodiscoverPath,
			body: `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Autodiscover><Request><EMailAddress>&x;</EMailAddress></Request></Autodiscover>`}, 400, nil, []string{"root:"}},
		{"autodiscover too large", request{method: "POST", target: autodiscoverPath, body: "<a>" + strings.Repeat(" ", 1<<20)}, 413, nil, nil},
		{"autodiscover compressed", request{method: "POST", target: autodiscoverPath, body: "x", header: map[string]string{"Content-Encoding": "gzip"}}, 415, nil, nil},
		{"autodiscover from another site", request{method: "POST", target: autodiscoverPath, body: discover("quantri@dienbien.test", outlookSchema),
			header: map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}}, 403, nil, []string{"LoginName", "evil"}},

		{"profile", request{method: "GET", target: "/vanthu.mobileconfig?email=vanthu%40xa01.dienbien.test"}, 200,
			[]string{"<!DOCTYPE plist", "com.apple.mail.managed", "<string>vanthu@xa01.dienbien.test</string>", "<integer>2993</integer>", "com.apple.security.root",
				"<key>IncomingMailServerUseSSL</key><true/>", "UBND tỉnh &lt;Điện Biên&gt;"},
			[]string{"Password</key><string>"}},
		{"profile of a stranger", request{method: "GET", target: "/vanthu.mobileconfig?email=a%40other.example"}, 400, nil, []string{"other.example", "plist"}},
		{"profile for markup", request{method: "GET", target: "/vanthu.mobileconfig?email=%3C/string%3E%40dienbien.test"}, 400, nil, []string{"plist"}},
		{"profile without address", request{method: "GET", target: "/vanthu.mobileconfig"}, 400, []string{"Yêu cầu thiếu"}, []string{"plist"}},

		{"authority as PEM", request{method: "GET", target: "/ca.pem"}, 200, []string{"-----BEGIN CERTIFICATE-----"}, []string{"PRIVATE"}},
		{"authority as DER", request{method: "GET", target: "/ca.crt"}, 200, []string{"Training CA"}, []string{"BEGIN"}},

		{"health", request{method: "GET", target: "/healthz"}, 200, []string{`"ok"`}, nil},
		{"readiness for a stranger", request{method: "GET", target: "/readyz"}, 503, []string{`"failing"`}, []string{"disk", "database", "secret"}},
		{"readiness for this machine", request{method: "GET", target: "/readyz", from: loopback}, 503,
			[]string{`"database":{"status":"ok"}`, `"disk":{"status":"failing","reason":"the disk is full"}`}, []string{"secret", "statfs"}},
		{"metrics for a stranger", request{method: "GET", target: "/metrics"}, 404, nil, []string{"vanthu_http"}},
		{"metrics for this machine", request{method: "GET", target: "/metrics", from: loopback, host: "127.0.0.1:2080"}, 200, []string{"vanthu_http_requests_total"}, nil},
		{"metrics for the monitoring network", request{method: "GET", target: "/metrics", from: "10.1.2.3:9"}, 200, []string{`route="GET /{$}"`}, nil},
		{"metrics through a proxy on this machine", request{method: "GET", target: "/metrics", from: loopback, header: map[string]string{"X-Forwarded-For": "192.0.2.7"}}, 404, nil, []string{"vanthu_http"}},

		{"unknown page", request{method: "GET", target: "/wp-admin.php"}, 404, []string{"Không có gì"}, []string{"wp-admin"}},
		{"unknown asset", request{method: "GET", target: "/assets/style.css"}, 404, nil, nil},
		{"post to the page", request{method: "POST", target: "/", body: "x"}, 405, nil, nil},
		{"trace", request{method: "TRACE", target: "/", header: map[string]string{"Cookie": "secret"}}, 405, nil, []string{"secret"}},
		{"options", request{method: "OPTIONS", target: "/"}, 405, nil, nil},
		{"odd method", request{method: "BREW", target: "/"}, 501, nil, []string{"BREW"}},
		{"foreign host", request{method: "GET", target: "/", host: "evil.example"}, 421, nil, []string{"evil.example"}},
		{"further name", request{method: "GET", target: "/", host: "THU.dienbien.test.:2080"}, 200, nil, nil},
		{"bare address", request{method: "GET", target: "/", host: "[::1]:2080"}, 200, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			response := tt.q.do(t, p.Handler())
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status {
				t.Errorf("status %d, want %d", response.StatusCode, tt.status)
			}
			for _, s := range tt.holds {
				if !bytes.Contains(body, []byte(s)) {
					t.Errorf("the answer lacks %q\n%s", s, body)
				}
			}
			for _, s := range tt.without {
				if bytes.Contains(body, []byte(s)) {
					t.Errorf("the answer holds %q\n%s", s, body)
				}
			}
			secured(t, response)
			if response.Header.Get("Location") != "" {
				t.Errorf("redirect to %q", response.Header.Get("Location"))
			}
		})
	}
}

// Whatever is posted, the answer is well-formed and no failure of ours.
func FuzzAutodiscover(f *testing.F) {
	ca, _ := authority(f)
	p, err := New(Info{Domains: []string{"dienbien.test"}, Hostname: "mail.dienbien.test", Ports: allPorts, CA: ca}, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(discover("vanthu@dienbien.test", outlookSchema))
	f.Add(discover(`"a b"@dienbien.test`, ""))
	f.Add("<a><b>")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", autodiscoverPath, strings.NewReader(body))
		r.Host = "dienbien.test"
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, r)
		switch w.Code {
		case 200:
			if err := xml.Unmarshal(w.Body.Bytes(), new(struct{})); err != nil {
				t.Errorf("the answer is not XML: %v\n%s", err, w.Body)
			}
		case 400, 413:
		default:
			t.Errorf("status %d", w.Code)
		}
	})
}

// secured checks the headers every answer must carry. T095.
func secured(t *testing.T, response *http.Response) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if response.Header.Get("Content-Type") == "" || response.Header.Get("Cache-Control") == "" && response.StatusCode == 200 && !strings.Contains(response.Header.Get("Content-Type"), "version=") {
		t.Errorf("headers %v", response.Header)
	}
	if len(response.Cookies()) != 0 {
		t.Error("a cookie is set")
	}
}

// T091, T096: no path reaches a file, a redirect or an echo.
func TestPathsOutside(t *testing.T) {
	p := newPortal(t, Options{})
	server := httptest.NewServer(p.Handler())
	defer server.Close()
	for _, target := range []string{
		"/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc/passwd", "/assets/../web/page.html", "/assets/..%2f..%2fetc%2fpasswd",
		"/assets/%00", "//evil.example/", "/\\evil.example", "/./", "/assets/", "/.git/config", "/web/page.html", "/debug/pprof/", "/debug/vars",
		"/page.html~", "/config.toml.bak", "/.env", "/;/metrics", "/%0d%0aSet-Cookie:x=1", "/metrics/", "/Metrics", "http://evil.example/",
	} {
		t.Run(target, func(t *testing.T) {
			status, answer := raw(t, server.Listener.Addr().String(), "GET "+target+" HTTP/1.1\r\nHost: mail.dienbien.test\r\nConnection: close\r\n\r\n")
			if status != 404 && status != 400 && status != 421 {
				t.Errorf("status %d", status)
			}
			for _, bad := range []string{"root:", "evil.example", "Location:", "Set-Cookie", "{{"} {
				if strings.Contains(answer, bad) {
					t.Errorf("the answer holds %q:\n%s", bad, answer)
				}
			}
		})
	}
}

// raw sends octets and returns the status and the whole answer.
func raw(t *testing.T, addr, octets string) (int, string) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// A server that refuses early closes while we still write; its answer counts.
	go io.WriteString(conn, octets)
	answer, _ := io.ReadAll(conn)
	var status int
	if _, err := fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	return status, string(answer)
}

// serve runs p on a port of its own until the test ends.
func serve(t *testing.T, p *Portal, secure bool, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, wrap(l), secure) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func plain(l net.Listener) net.Listener { return l }

// T092, T093, T094: requests no honest client sends.
func TestOddRequests(t *testing.T) {
	addr := serve(t, newPortal(t, Options{}), false, plain)
	const host = "Host: mail.dienbien.test\r\n"
	tests := []struct {
		name, octets string
		status       []int
	}{
		{"2 MB request line", "GET /" + strings.Repeat("a", 2<<20) + " HTTP/1.1\r\n" + host + "\r\n", []int{400, 414, 431}},
		{"4 MB header", "GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 4<<20) + "\r\n\r\n", []int{431}},
		{"52,000 header lines", "GET / HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", 52_000) + "\r\n", []int{431}},
		{"length and chunks", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /ca.pem HTTP/1.1\r\n\r\n", []int{400, 405}},
		{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", []int{400}},
		{"two hosts", "GET / HTTP/1.1\r\n" + host + "Host: evil.example\r\n\r\n", []int{400}},
		{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400}},
		{"folded header", "GET / HTTP/1.1\r\n folded: x\r\n" + host + "\r\n", []int{400}},
		{"odd version", "GET / HTTP/3.7\r\n" + host + "\r\n", []int{400, 505}},
		{"connect", "CONNECT evil.example:25 HTTP/1.1\r\nHost: evil.example:25\r\nConnection: close\r\n\r\n", []int{405}},
		{"options *", "OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", []int{405}},
		{"ranges", "GET /ca.pem HTTP/1.1\r\n" + host + "Connection: close\r\nRange: bytes=" + strings.TrimSuffix(strings.Repeat("0-0,", 10_000), ",") + "\r\n\r\n", []int{200, 416}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := raw(t, addr, tt.octets)
			for _, want := range tt.status {
				if status == want && !strings.Contains(answer, "evil") {
					return
				}
			}
			t.Errorf("status %d, want one of %v\n%s", status, tt.status, answer)
		})
	}
}

// T097: a body that nobody asked for is not read to its end.
func TestLargeBody(t *testing.T) {
	addr := serve(t, newPortal(t, Options{}), false, plain)
	endless := &counting{}
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/", io.LimitReader(endless, 256<<20))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err == nil {
		defer response.Body.Close()
		if response.StatusCode != 405 {
			t.Errorf("status %d, want 405", response.StatusCode)
		}
	}
	if n := endless.n.Load(); n > 32<<20 {
		t.Errorf("the server took %d octets", n)
	}
}

// counting is read by the client's own goroutine, also after its answer came.
type counting struct{ n atomic.Int64 }

func (c *counting) Read(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

func TestStrictTransportOnlyWithTLS(t *testing.T) {
	p := newPortal(t, Options{})
	ca, certificate := authority(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	secureAddr := serve(t, p, true, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})
	})
	plainAddr := serve(t, p, false, plain)
	for url, want := range map[string]string{
		"https://" + secureAddr + "/": "max-age=31536000",
		"http://" + plainAddr + "/":   "",
		"https://" + strings.Replace(secureAddr, "127.0.0.1", "localhost", 1) + "/nothing": "",
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Get("Strict-Transport-Security"); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
		secured(t, response)
	}
}

func TestShutdown(t *testing.T) {
	p := newPortal(t, Options{})
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- p.Serve(t.Context(), l, false) }()
	raw(t, l.Addr().String(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") // it serves
	if err := p.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if err := p.Serve(t.Context(), l, false); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after Shutdown = %v", err)
	}
}

func TestReadinessIsNotAskedTooOften(t *testing.T) {
	var asked int
	now := time.Unix(1_800_000_000, 0)
	p := newPortal(t, Options{
		Now:    func() time.Time { return now },
		Checks: []Check{{"database", func(context.Context) error { asked++; return nil }}},
	})
	for range 5 {
		if response := (request{method: "GET", target: "/readyz"}).do(t, p.Handler()); response.StatusCode != 200 {
			t.Fatalf("status %d", response.StatusCode)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times within a second, want once", asked)
	}
	now = now.Add(2 * readyFor)
	(request{method: "GET", target: "/readyz"}).do(t, p.Handler())
	if asked != 2 {
		t.Errorf("asked %d times, want twice", asked)
	}
}

// Every text the code names exists in both languages, and none is left over.
func TestCatalogueIsComplete(t *testing.T) {
	for key, entry := range catalogue {
		if entry.EN == "" || entry.VI == "" {
			t.Errorf("%s lacks a language: %+v", key, entry)
		}
		if strings.Count(entry.EN, "%s") != strings.Count(entry.VI, "%s") {
			t.Errorf("%s has different gaps: %+v", key, entry)
		}
	}
	source, err := web.ReadFile("web/page.html")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?:t|steps) "([a-z.0-9]+)"`).FindAllStringSubmatch(string(source), -1) {
		used[m[1]] = true
	}
	for _, key := range []string{"service.imap", "service.smtp", "ca.windows", "ca.thunderbird", "ca.android"} {
		used[key] = true
	}
	step := regexp.MustCompile(`\.\d$`)
	for key := range catalogue {
		if !used[key] && !used[step.ReplaceAllString(key, "")] && !strings.HasPrefix(key, "problem.") {
			t.Errorf("%s is not used", key)
		}
	}
}

// What must hold for people who hear, tab or print the page: one h1, no
// skipped heading level, labelled inputs, described pictures, unique ids.
func TestPageStructure(t *testing.T) {
	p := newPortal(t, Options{})
	for key, page := range p.pages {
		html := string(page)
		if n := strings.Count(html, "<h1"); n != 1 {
			t.Errorf("%v has %d h1", key, n)
		}
		level := 0
		for _, m := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(html, -1) {
			next := int(m[1][0] - '0')
			if next > level+1 {
				t.Errorf("%v jumps from h%d to h%d", key, level, next)
			}
			level = next
		}
		ids := make(map[string]bool)
		for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if ids[m[1]] {
				t.Errorf("%v has two ids %q", key, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range regexp.MustCompile(`(?:href="#|for="|aria-labelledby="|aria-describedby=")([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if !ids[m[1]] {
				t.Errorf("%v points to %q, which is not there", key, m[1])
			}
		}
		for _, img := range regexp.MustCompile(`<img[^>]*>`).FindAllString(html, -1) {
			if !strings.Contains(img, ` alt="`) {
				t.Errorf("%v: %s has no alt", key, img)
			}
		}
		decoder := xml.NewDecoder(strings.NewReader(html))
		decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		for {
			if _, err := decoder.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Errorf("%v is not well-formed: %v", key, err)
				break
			}
		}
	}
}

func TestServicesThatAreOff(t *testing.T) {
	p, err := New(Info{Domains: []string{"dienbien.test"}, Hostname: "mail.dienbien.test", Ports: Ports{IMAPS: 993, HTTPS: 443}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll((request{method: "GET", target: "/"}).do(t, p.Handler()).Body)
	if s := string(body); strings.Contains(s, "STARTTLS") || strings.Contains(s, "SMTP") || strings.Contains(s, "/ca.crt") || !strings.Contains(s, "https://mail.dienbien.test/") {
		t.Errorf("page tells of services that are off:\n%s", s)
	}
	for target, want := range map[string]int{"/ca.pem": 404, "/ca.crt": 404, "/metrics": 404, "/readyz": 200} {
		if got := (request{method: "GET", target: target, from: "127.0.0.1:1"}).do(t, p.Handler()).StatusCode; got != want {
			t.Errorf("%s = %d, want %d", target, got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	ca, _ := authority(t)
	for name, info := range map[string]Info{
		"no domain":   {Hostname: "h"},
		"no hostname": {Domains: []string{"d"}},
		"bad CA":      {Hostname: "h", Domains: []string{"d"}, CA: []byte("x")},
		"key as CA":   {Hostname: "h", Domains: []string{"d"}, CA: bytes.ReplaceAll(ca, []byte("CERTIFICATE"), []byte("PRIVATE KEY"))},
	} {
		if _, err := New(info, Options{}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
