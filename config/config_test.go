package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file under testdata, or rewrites the file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s\nwant\n%s", file, got, want)
	}
}

func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d bad files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var environ []string
			for _, m := range regexp.MustCompile(`(?m)^# env: (.*)$`).FindAllStringSubmatch(string(text), -1) {
				environ = append(environ, m[1])
			}
			c, err := Parse("/etc/vanthu/vanthu.toml", text, environ)
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 || c != nil {
				t.Fatalf("Parse = %v, %v; want problems and no configuration", c, err)
			}
			golden(t, strings.TrimSuffix(file, ".toml")+".want", problems.Error()+"\n")
		})
	}
}

func TestSample(t *testing.T) {
	sample := string(Sample())
	golden(t, "testdata/sample.toml", sample)

	c, err := Parse("/etc/vanthu/vanthu.toml", []byte(sample), nil)
	if err != nil {
		t.Fatalf("the sample does not load:\n%v", err)
	}
	if got := string(c.Domains[0]); got != "tinh.example" {
		t.Errorf("domain = %q", got)
	}

	// Every line that is commented out must be a valid default too.
	all := regexp.MustCompile(`(?m)^#([a-z[])`).ReplaceAllString(sample, "$1")
	full, err := Parse("/etc/vanthu/vanthu.toml", []byte(all), nil)
	if err != nil {
		t.Fatalf("the sample with all lines active does not load:\n%v", err)
	}
	if len(full.Routes) != 1 || full.Routes[0].TLS != StartTLS {
		t.Errorf("routes = %+v", full.Routes)
	}
	full.Routes = nil
	if got, want := string(Format(full)), string(Format(c)); got != want {
		t.Errorf("active defaults give\n%s\nwant\n%s", got, want)
	}
}

// Each key must be documented, and its name in the environment must be the
// one that follows from its path.
func TestKeysAreDocumented(t *testing.T) {
	comments := fieldComments()
	c := Default()
	c.Routes = []Route{{}}
	for _, k := range c.keys() {
		if comments[k.owner.Name()+"."+k.field] == "" {
			t.Errorf("%s has no comment", k.path)
		}
		if k.env == "" {
			continue
		}
		if want := "VANTHU_" + strings.ToUpper(strings.ReplaceAll(k.path, ".", "_")); k.env != want {
			t.Errorf("%s is set by %s, want %s", k.path, k.env, want)
		}
	}
}

func TestFormatRoundTrip(t *testing.T) {
	c := Default()
	c.DataDir = "/srv/thư \"mới\""
	c.Domains = []Domain{"dienbien.test", "tỉnh.example"}
	c.Server = Server{Hostname: "127.0.0.1", Organisation: `UBND \ tỉnh`}
	c.SMTP.LMTP = "127.0.0.1:2024"
	c.Queue.Retry = []Duration{Duration(90 * time.Second)}
	c.Limits.MinFree = 1 << 20
	c.Routes = []Route{
		{Domain: "*", Host: "relay.example", Port: 587, TLS: StartTLS},
		{Domain: "bo.example", Host: "mail.bo.example", Port: 465, TLS: ImplicitTLS, Fingerprint: strings.Repeat("ab", 32)},
	}
	got, err := Parse("/etc/vanthu/vanthu.toml", Format(c), nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, Format(c))
	}
	if got.origins = nil; !reflect.DeepEqual(got, c) {
		t.Errorf("round trip gives\n%+v\nwant\n%+v", got, c)
	}
}

func TestEnvironmentOverridesFile(t *testing.T) {
	text := []byte("domains = [\"tinh.example\"]\n[smtp]\nsubmission = \":1587\"\nmax_recipients = 200\n")
	c, err := Parse("/etc/vanthu/vanthu.toml", text, []string{
		"VANTHU_SMTP_SUBMISSION=127.0.0.1:2587", "VANTHU_IMAP_IMAP=off", "VANTHU_QUEUE_RETRY=1m,2m",
		"VANTHU_LOG_LEVEL=debug", "VANTHU_HTTP_METRICS_FROM=10.0.0.0/8", "PATH=/bin",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.SMTP.Submission != "127.0.0.1:2587" || c.IMAP.IMAP.On() || len(c.Queue.Retry) != 2 ||
		c.SMTP.MaxRecipients != 200 || c.SMTP.Relay != ":25" || len(c.HTTP.MetricsFrom) != 1 {
		t.Errorf("got %+v", c)
	}
	origins := map[string]string{
		"smtp.submission": "$VANTHU_SMTP_SUBMISSION", "smtp.max_recipients": "/etc/vanthu/vanthu.toml:4", "smtp.relay": "default",
	}
	for path, want := range origins {
		if got := c.Origin(path); got != want {
			t.Errorf("Origin(%s) = %q, want %q", path, got, want)
		}
	}
}

func TestListsReplaceDefaults(t *testing.T) {
	c, err := Parse("v.toml", []byte("domains = [\"tinh.example\"]\nqueue.retry = [\"1m\"]\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Queue.Retry) != 1 || c.Server.Hostname != "mail.tinh.example" || !filepath.IsAbs(c.DataDir) {
		t.Errorf("got %v, %v, %v", c.Queue.Retry, c.Server.Hostname, c.DataDir)
	}
}

// People copy fingerprints from tools that write them with colons.
func TestFingerprintIsCanonical(t *testing.T) {
	text := "domains = [\"tinh.example\"]\n[[route]]\ndomain = \"BO.example\"\nhost = \"h.example\"\nfingerprint = \"AB" + strings.Repeat(":CD", 31) + "\"\n"
	c, err := Parse("v.toml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Routes[0]; r.Fingerprint != "ab"+strings.Repeat("cd", 31) || r.Domain != "bo.example" || r.Port != 25 || r.TLS != StartTLS {
		t.Errorf("got %+v", r)
	}
}

// A key that everybody may read is no secret: the server must not start with it.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := keyPair(t, dir, "a")
	_, otherKey := keyPair(t, dir, "b")
	file := func(name string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	open, closed := file("open", 0o644), file("closed", 0o640)
	route := "[[route]]\ndomain = \"*\"\nhost = \"h.example\"\nusername = \"u\"\npassword_file = "
	tests := []struct {
		name, text string
		want       string // in the problem; "" for none
	}{
		{"pair", "[tls]\ncert_file = \"a.crt\"\nkey_file = \"" + key + "\"", ""},
		{"not a pair", "[tls]\ncert_file = \"" + cert + "\"\nkey_file = \"" + otherKey + "\"", ":3: tls.cert_file: does not make a pair"},
		{"open tls key", "[tls]\ncert_file = \"" + cert + "\"\nkey_file = \"" + open + "\"", ":4: tls.key_file: everybody on this machine may open"},
		{"journal key", "[journal]\nkey_file = \"" + closed + "\"", ""},
		{"journal key yet to be made", "[journal]\nkey_file = \"/nonexistent/key\"", ""},
		{"open journal key", "[journal]\nkey_file = \"open\"", ":3: journal.key_file: everybody on this machine may open"},
		{"password", route + "\"closed\"", ""},
		{"open password", route + "\"" + open + "\"", ":6: route[1].password_file: everybody on this machine may open"},
		{"folder for a password", route + "\"" + dir + "\"", "is not a file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := filepath.Join(dir, "vanthu.toml")
			_, err := Parse(at, []byte("domains = [\"tinh.example\"]\n"+tt.text+"\n"), nil)
			if tt.want == "" {
				if err != nil {
					t.Errorf("Parse: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("environment", func(t *testing.T) {
		_, err := Parse(filepath.Join(dir, "v.toml"), []byte("domains = [\"tinh.example\"]\n"), []string{"VANTHU_JOURNAL_KEY_FILE=" + open})
		if err == nil || !strings.HasPrefix(err.Error(), "$VANTHU_JOURNAL_KEY_FILE: journal.key_file: everybody") {
			t.Errorf("Parse = %v", err)
		}
	})
}

// keyPair writes name.crt and name.key and returns their paths.
func keyPair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mail.tinh.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(suffix, kind string, der []byte) string {
		file := filepath.Join(dir, name+suffix)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write(".crt", "CERTIFICATE", der), write(".key", "PRIVATE KEY", pkcs8)
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("VANTHU_CONFIG", "")
	if got, err := Find(""); err == nil && got != systemFile || err != nil && fault.KindOf(err) != fault.NotFound {
		t.Errorf("Find in an empty folder = %q, %v", got, err)
	}
	for _, name := range []string{"vanthu.toml", "env.toml", "flag.toml"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Find(""); got != "vanthu.toml" || err != nil {
		t.Errorf("Find = %q, %v, want the current folder's", got, err)
	}
	t.Setenv("VANTHU_CONFIG", "env.toml")
	if got, err := Find(""); got != "env.toml" || err != nil {
		t.Errorf("Find = %q, %v, want the environment's", got, err)
	}
	if got, err := Find("flag.toml"); got != "flag.toml" || err != nil {
		t.Errorf("Find = %q, %v, want the flag's", got, err)
	}
	// A name given by hand never falls through to another file.
	if got, err := Find("absent.toml"); fault.KindOf(err) != fault.NotFound || got != "" {
		t.Errorf("Find = %q, %v, want not found", got, err)
	}
}

func TestDurationAndSize(t *testing.T) {
	for text, want := range map[string]time.Duration{"5d": 120 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "0s": 0} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%s = %v, %v", text, d, err)
		}
	}
	for text, want := range map[string]Size{"1KiB": 1024, "2GiB": 2 << 30, "7B": 7, "0B": 0} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want || s.String() != text {
			t.Errorf("%s = %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "5", "-1s", "-5d", "d", "1.5d", "99999d", "5 m"} {
		if err := new(Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("duration %q is taken", text)
		}
	}
	for _, text := range []string{"", "5", "-1KiB", "9999999999TiB", "1kb", "1.5GiB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q is taken", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.toml")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add(Sample())
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("/etc/vanthu/vanthu.toml", text, nil)
		if (c == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", c, err)
		}
		if err == nil {
			if _, err := Parse("/etc/vanthu/vanthu.toml", Format(c), nil); err != nil {
				t.Fatalf("what was taken is not taken again: %v\n%s", err, Format(c))
			}
		}
	})
}
