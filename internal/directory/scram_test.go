package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"golang.org/x/text/unicode/norm"

	"vanthu/internal/fault"
	"vanthu/internal/sqldb"
)

// scramAs does a whole exchange as a client would, and checks that the server proves itself when it grants something.
func (w *world) scramAs(t *testing.T, login Login, p Password, opt ScramOptions) (Grant, error) {
	t.Helper()
	c, err := scram.SHA256.NewClient(string(login), p.Reveal(), "")
	if err != nil {
		t.Fatal(err)
	}
	if opt.Protocol == "" {
		opt.Protocol = IMAP
	}
	conv, x := c.NewConversation(), w.Scram(opt)
	message := ""
	for {
		out, err := conv.Step(message)
		if err != nil {
			t.Fatalf("the client does not take %q: %v", message, err)
		}
		answer, done, err := x.Next(t.Context(), []byte(out))
		if err != nil {
			if x.Grant().ID != 0 {
				t.Error("a grant beside an error")
			}
			if _, _, again := x.Next(t.Context(), []byte(out)); again == nil {
				t.Error("the exchange goes on after an error")
			}
			return Grant{}, err
		}
		if done {
			if !conv.Valid() {
				t.Error("granted, but the server did not prove itself")
			}
			return x.Grant(), nil
		}
		message = string(answer)
	}
}

func TestScram(t *testing.T) {
	w := open(t, Options{Secret: []byte("secret")})
	own, _ := w.account(t, "vt@x.test", secretWord)
	madeAcct, made := w.account(t, "cv@x.test", "")
	off, offPass := w.account(t, "nghi@x.test", "")
	if err := w.SetState(t.Context(), admin, off.ID, Disabled); err != nil {
		t.Fatal(err)
	}
	phone, phonePass, err := w.AddAppPassword(t.Context(), admin, own.ID, "điện thoại", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, readerPass, err := w.AddAppPassword(t.Context(), admin, own.ID, "máy đọc", []Protocol{IMAP})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		login Login
		pass  Password
		at    Protocol
		want  AccountID // 0: denied
		by    Means
		app   AppPasswordID
	}{
		{"given password", "vt@x.test", secretWord, IMAP, own.ID, ByPassword, 0},
		{"login in capitals", "VT@X.Test", secretWord, SMTP, own.ID, ByPassword, 0},
		{"password in NFD", "vt@x.test", Password(norm.NFD.String(secretWord.Reveal())), IMAP, own.ID, ByPassword, 0},
		{"made password", "cv@x.test", made, IMAP, madeAcct.ID, ByPassword, 0},
		{"app password", "vt@x.test", phonePass, SMTP, own.ID, ByAppPassword, phone.ID},
		{"app password of another protocol", "vt@x.test", readerPass, SMTP, 0, "", 0},
		{"another's app password", "cv@x.test", phonePass, IMAP, 0, "", 0},
		{"wrong password", "vt@x.test", "Mat khau cua toi", IMAP, 0, "", 0},
		{"disabled", "nghi@x.test", offPass, IMAP, 0, "", 0},
		{"unknown", "ai@x.test", secretWord, IMAP, 0, "", 0},
		{"a unit", "soyte@x.test", secretWord, IMAP, 0, "", 0},
		{"no address", "' OR 1=1", secretWord, IMAP, 0, "", 0},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := w.scramAs(t, tt.login, tt.pass, ScramOptions{Remote: netip.AddrFrom4([4]byte{10, byte(i), 0, 1}), Protocol: tt.at})
			if tt.want == 0 {
				wantKind(t, err, fault.Denied)
				if got := fault.Sentence(err); got != fault.Sentence(errDenied) {
					t.Errorf("sentence = %v, want the same for all", got)
				}
				return
			}
			if err != nil || g.ID != tt.want || g.By != tt.by || g.App != tt.app {
				t.Errorf("got account %d by %s %d, %v", g.ID, g.By, g.App, err)
			}
		})
	}
}

// The first answer tells nothing about who there is: same cost, a salt that stays the same, for accounts and for others.
func TestScramFirstAnswerTellsNothing(t *testing.T) {
	w := open(t, Options{Secret: []byte("secret")})
	w.account(t, "vt@x.test", secretWord)
	answer := func(login string) string {
		got, _, err := w.Scram(ScramOptions{Nonce: func() string { return "server" }}).Next(t.Context(), []byte("n,,n="+login+",r=client"))
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	seen := map[string]bool{}
	for _, login := range []string{"vt@x.test", "ai@x.test", "soyte@x.test", "kh=2Cac", "vt@x.test.x"} {
		got := answer(login)
		if !strings.HasPrefix(got, "r=clientserver,s=") || !strings.HasSuffix(got, ",i=4096") || len(got) != len(answer("vt@x.test")) {
			t.Errorf("%s: %q", login, got)
		}
		if got != answer(login) {
			t.Errorf("%s: another salt the second time", login)
		}
		if seen[got] {
			t.Errorf("%s: the salt of another", login)
		}
		seen[got] = true
	}
	if answer("vt@x.test") != answer("VT@x.test") {
		t.Error("the salt depends on capitals")
	}
	other := open(t, Options{Secret: []byte("another secret")})
	got, _, err := other.Scram(ScramOptions{Nonce: func() string { return "server" }}).Next(t.Context(), []byte("n,,n=ai@x.test,r=client"))
	if err != nil || string(got) == answer("ai@x.test") {
		t.Errorf("the salt does not depend on the secret: %s, %v", got, err)
	}
}

func TestScramRefusesMalformedMessages(t *testing.T) {
	w := open(t, Options{})
	w.account(t, "vt@x.test", secretWord)
	bound := ScramOptions{Binding: []byte("value of the connection"), Plus: true}
	announced := ScramOptions{Binding: bound.Binding}
	tests := []struct {
		name    string
		opt     ScramOptions
		message string
		want    error
	}{
		{"empty", ScramOptions{}, "", ErrMalformed},
		{"no name", ScramOptions{}, "n,,r=abc", ErrMalformed},
		{"no nonce", ScramOptions{}, "n,,n=vt@x.test", ErrMalformed},
		{"empty nonce", ScramOptions{}, "n,,n=vt@x.test,r=", ErrMalformed},
		{"nonce with blank", ScramOptions{}, "n,,n=vt@x.test,r=a b", ErrMalformed},
		{"nonce with NUL", ScramOptions{}, "n,,n=vt@x.test,r=a\x00b", ErrMalformed},
		{"extension", ScramOptions{}, "n,,m=1,n=vt@x.test,r=abc", ErrMalformed},
		{"bad escape in name", ScramOptions{}, "n,,n=vt=3Ex.test,r=abc", ErrMalformed},
		{"unknown flag", ScramOptions{}, "z,,n=vt@x.test,r=abc", ErrMalformed},
		{"long", ScramOptions{}, "n,,n=vt@x.test,r=" + strings.Repeat("a", maxScramMessage), ErrMalformed},
		{"another's identity", ScramOptions{}, "n,a=ai@x.test,n=vt@x.test,r=abc", ErrAuthorization},
		{"own identity", ScramOptions{}, "n,a=VT@x.test,n=vt@x.test,r=abc", nil},
		{"binding that was not announced", ScramOptions{}, "p=tls-exporter,,n=vt@x.test,r=abc", errBinding},
		{"could bind, and it was not announced", ScramOptions{}, "y,,n=vt@x.test,r=abc", nil},
		{"could bind, and it was announced", announced, "y,,n=vt@x.test,r=abc", errBinding},
		{"cannot bind", announced, "n,,n=vt@x.test,r=abc", nil},
		{"bound", bound, "p=tls-exporter,,n=vt@x.test,r=abc", nil},
		{"tls-unique", bound, "p=tls-unique,,n=vt@x.test,r=abc", errBinding},
		{"PLUS, not bound", bound, "n,,n=vt@x.test,r=abc", errBinding},
		{"PLUS, could bind", bound, "y,,n=vt@x.test,r=abc", errBinding},
		{"binding of a type nobody knows", bound, "p=magic,,n=vt@x.test,r=abc", ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := w.Scram(tt.opt).Next(t.Context(), []byte(tt.message))
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A guess by SCRAM counts like one by password, for the same brake.
func TestScramIsBraked(t *testing.T) {
	w := open(t, Options{})
	w.account(t, "vt@x.test", secretWord)
	w.account(t, "cv@x.test", secretWord)
	here := ScramOptions{Remote: ip("10.0.0.1")}
	for range failPerAddress {
		_, err := w.scramAs(t, "vt@x.test", "wrong", here)
		wantKind(t, err, fault.Denied)
	}
	_, err := w.scramAs(t, "vt@x.test", secretWord, here)
	wantKind(t, err, fault.Exhausted)
	_, err = w.Authenticate(t.Context(), Attempt{Login: "cv@x.test", Password: secretWord, Remote: here.Remote, Protocol: IMAP})
	wantKind(t, err, fault.Exhausted)
	// One that had its first answer before the brake was pulled has no more luck.
	w.clock.advance(failWindow)
	x := w.Scram(here)
	if _, _, err := x.Next(t.Context(), []byte("n,,n=vt@x.test,r=abc")); err != nil {
		t.Fatal(err)
	}
	for range failPerAddress {
		_, _ = w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: "", Remote: here.Remote})
	}
	_, _, err = x.Next(t.Context(), []byte("c=biws,r=abc,p=AAAA"))
	wantKind(t, err, fault.Exhausted)
}

// An account from before there was SCRAM gets its keys when its password has been right once.
func TestKeysAreLearned(t *testing.T) {
	w := open(t, Options{Secret: []byte("secret")})
	w.account(t, "vt@x.test", secretWord)
	_, made := w.account(t, "cv@x.test", "")
	passwords := map[Login]Password{"vt@x.test": secretWord, "cv@x.test": made}
	err := w.db.Update(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE credential SET scram = x''`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	for login, password := range passwords {
		_, err := w.scramAs(t, login, password, ScramOptions{Remote: ip("10.0.0.1")})
		wantKind(t, err, fault.Denied)
		typed := Password(strings.ToUpper(strings.ReplaceAll(password.Reveal(), "-", "")))
		if login == "vt@x.test" {
			typed = password
		}
		if _, err := w.Authenticate(t.Context(), Attempt{Login: login, Password: typed, Remote: ip("10.0.0.1")}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.scramAs(t, login, password, ScramOptions{Remote: ip("10.0.0.1")}); err != nil {
			t.Errorf("%s: %v", login, err)
		}
	}
	again, err := Open(t.Context(), w.db, Options{Secret: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Snapshot().creds, w.Snapshot().creds) {
		t.Error("what was learned is not what is stored")
	}
}

func TestSealsHold(t *testing.T) {
	s, err := newSeals([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	k := scramKeys{1, 2, 3}
	sealed := s.seal(7, k)
	if sealed == s.seal(7, k) {
		t.Error("two seals of one are equal")
	}
	if got, ok := s.open(7, sealed); !ok || got != k {
		t.Errorf("open = %v, %v", got, ok)
	}
	other, err := newSeals([]byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() bool{
		"another account": func() bool { _, ok := s.open(8, sealed); return ok },
		"another secret":  func() bool { _, ok := other.open(7, sealed); return ok },
		"cut":             func() bool { _, ok := s.open(7, sealed[:len(sealed)-1]); return ok },
		"very short":      func() bool { _, ok := s.open(7, sealed[:5]); return ok },
		"changed":         func() bool { _, ok := s.open(7, sealed[:20]+"x"+sealed[21:]); return ok },
		"none":            func() bool { _, ok := s.open(7, ""); return ok },
	} {
		if open() {
			t.Errorf("%s: the seal opens", name)
		}
	}
	if _, ok := s.makeKeys(Account{}.Login, "tab\tis no character of a password"); ok {
		t.Error("keys of a password that SASLprep refuses")
	}
}

func TestAppPasswords(t *testing.T) {
	w := open(t, Options{Secret: []byte("secret")})
	a, _ := w.account(t, "vt@x.test", secretWord)
	other, _ := w.account(t, "cv@x.test", secretWord)
	login := func(p Password, at Protocol) (Grant, error) {
		return w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: p, Remote: ip("10.0.0.1"), Protocol: at})
	}
	phone, phonePass, err := w.AddAppPassword(t.Context(), admin, a.ID, "  điện thoại ", nil)
	if err != nil {
		t.Fatal(err)
	}
	scan, scanPass, err := w.AddAppPassword(t.Context(), admin, a.ID, "máy quét", []Protocol{SMTP, SMTP})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		id        AccountID
		app       string
		protocols []Protocol
		want      fault.Kind
	}{
		{"same name", a.ID, "điện thoại", nil, fault.Conflict},
		{"no name", a.ID, " ", nil, fault.Invalid},
		{"long name", a.ID, strings.Repeat("đ", maxAppName+1), nil, fault.Invalid},
		{"control character", a.ID, "a\x07b", nil, fault.Invalid},
		{"unknown protocol", a.ID, "pop", []Protocol{"pop3"}, fault.Invalid},
		{"no account", 99, "x", nil, fault.NotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := w.AddAppPassword(t.Context(), admin, tt.id, tt.app, tt.protocols)
			wantKind(t, err, tt.want)
		})
	}
	opened, err := login(Password(strings.ToUpper(strings.ReplaceAll(phonePass.Reveal(), "-", " "))), IMAP)
	if err != nil || opened.By != ByAppPassword || opened.App != phone.ID {
		t.Fatalf("got %+v, %v", opened, err)
	}
	if _, err := login(scanPass, SMTP); err != nil {
		t.Error(err)
	}
	_, err = login(scanPass, IMAP)
	wantKind(t, err, fault.Denied)
	_, err = w.Authenticate(t.Context(), Attempt{Login: "cv@x.test", Password: phonePass, Remote: ip("10.0.0.2"), Protocol: IMAP})
	wantKind(t, err, fault.Denied)

	list, err := w.AppPasswords(t.Context(), a.ID)
	if err != nil || len(list) != 2 || list[0].Name != "điện thoại" || !list[0].Used.Equal(opened.At.Truncate(time.Microsecond)) || !slices.Equal(list[1].Protocols, []Protocol{SMTP}) {
		t.Errorf("list %+v, %v", list, err)
	}
	// The use is written down at most every ten minutes.
	for minute := range 12 {
		w.clock.advance(time.Minute)
		if _, err := login(phonePass, IMAP); err != nil {
			t.Fatal(err)
		}
		list, err := w.AppPasswords(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := list[0].Used.Sub(opened.At).Round(time.Second), time.Duration((minute+1)/10)*10*time.Minute; got != want {
			t.Errorf("after %d minutes the last use is %v", minute+1, got)
		}
	}

	// The account's own password may change; the state stops all.
	w.clock.advance(time.Second)
	if _, err := w.SetPassword(t.Context(), admin, a.ID, "another password"); err != nil {
		t.Fatal(err)
	}
	if !w.Snapshot().StillValid(opened) {
		t.Error("another password of the account has ended a session of an app password")
	}
	if _, err := login(phonePass, IMAP); err != nil {
		t.Error(err)
	}
	for _, state := range []State{Locked, Disabled, Active} {
		if err := w.SetState(t.Context(), admin, a.ID, state); err != nil {
			t.Fatal(err)
		}
		if got := w.Snapshot().StillValid(opened); got != (state == Active) {
			t.Errorf("%s: session valid %v", state, got)
		}
		if _, err := login(phonePass, IMAP); (err == nil) != (state == Active) {
			t.Errorf("%s: %v", state, err)
		}
	}

	wantKind(t, w.RevokeAppPassword(t.Context(), admin, other.ID, phone), fault.NotFound)
	if err := w.RevokeAppPassword(t.Context(), admin, a.ID, phone); err != nil {
		t.Fatal(err)
	}
	if w.Snapshot().StillValid(opened) {
		t.Error("a session of a revoked app password is valid")
	}
	_, err = login(phonePass, IMAP)
	wantKind(t, err, fault.Denied)
	if _, err := login(scanPass, SMTP); err != nil {
		t.Errorf("%s: %v", scan.Name, err)
	}
	for i := range maxAppPasswords - 1 {
		if _, _, err := w.AddAppPassword(t.Context(), admin, a.ID, fmt.Sprint("số ", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = w.AddAppPassword(t.Context(), admin, a.ID, "quá nhiều", nil)
	wantKind(t, err, fault.Exhausted)
}

func FuzzScram(f *testing.F) {
	f.Add([]byte("n,,n=vt@x.test,r=abc"), []byte("c=biws,r=abcserver,p=AAAA"), false)
	f.Add([]byte("p=tls-exporter,a=vt@x.test,n=vt@x.test,r=abc,ext=1"), []byte("c=,r=,p="), true)
	w := open(f, Options{})
	f.Fuzz(func(t *testing.T, first, final []byte, plus bool) {
		opt := ScramOptions{Nonce: func() string { return "server" }, Plus: plus}
		if plus {
			opt.Binding = []byte("binding")
		}
		w.login.brake = newBrake()
		x := w.Scram(opt)
		if answer, done, err := x.Next(t.Context(), first); err != nil || done || !strings.HasPrefix(string(answer), "r=") {
			return
		}
		for range 3 {
			if _, done, err := x.Next(t.Context(), final); done || err == nil {
				t.Fatalf("granted to %q %q", first, final)
			}
		}
	})
}
