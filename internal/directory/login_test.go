package directory

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vanthu/internal/fault"
)

const secretWord Password = "Mật khẩu của tôi"

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestAuthenticate(t *testing.T) {
	w := open(t, Options{})
	own, _ := w.account(t, "vt@x.test", secretWord)
	madeAcct, made := w.account(t, "cv@x.test", "")
	locked, lockedPass := w.account(t, "khoa@x.test", "")
	w.account(t, "khac@x.test", "")
	if err := w.SetState(t.Context(), admin, locked.ID, Locked); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[a-z2-7]{5}(-[a-z2-7]{5}){3}-[a-z2-7]{6}$`).MatchString(made.Reveal()) {
		t.Errorf("made password %q", made.Reveal())
	}
	tests := []struct {
		name  string
		login Login
		pass  Password
		want  AccountID // 0: denied
	}{
		{"given password", "vt@x.test", secretWord, own.ID},
		{"login in capitals", "VT@X.Test", secretWord, own.ID},
		{"password in NFD, as a Mac sends it", "vt@x.test", "Mật khẩu của tôi", own.ID},
		{"wrong password", "vt@x.test", "Mat khau cua toi", 0},
		{"empty password", "vt@x.test", "", 0},
		{"made password", "cv@x.test", made, madeAcct.ID},
		{"made password as written down", "cv@x.test", Password(strings.ToUpper(strings.ReplaceAll(made.Reveal(), "-", " "))), madeAcct.ID},
		{"another's made password", "khac@x.test", made, 0},
		{"locked", "khoa@x.test", lockedPass, 0},
		{"unknown", "ai@x.test", secretWord, 0},
		{"a unit", "soyte@x.test", secretWord, 0},
		{"SQL", "vt@x.test' OR '1'='1", secretWord, 0},
		{"LDAP", "*)(uid=*", secretWord, 0},
		{"NUL", "vt@x.test\x00", secretWord, 0},
		{"detail", "vt+a@x.test", secretWord, 0},
		{"no domain", "vt", secretWord, 0},
		{"two signs", "vt@x.test@x.test", secretWord, 0},
		{"long", Login(strings.Repeat("a", 300) + "@x.test"), secretWord, 0},
		{"long password", "vt@x.test", Password(strings.Repeat("x", 1<<20)), 0},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := w.Authenticate(t.Context(), Attempt{Login: tt.login, Password: tt.pass, Remote: netip.AddrFrom4([4]byte{10, byte(i), 0, 1}), Protocol: IMAP})
			if tt.want == 0 {
				wantKind(t, err, fault.Denied)
				if got := fault.Sentence(err); got != fault.Sentence(errDenied) {
					t.Errorf("sentence = %v, want the same for all", got)
				}
				return
			}
			if err != nil || a.ID != tt.want {
				t.Errorf("Authenticate = %+v, %v", a, err)
			}
		})
	}
}

func TestPasswordDoesNotShow(t *testing.T) {
	for _, f := range []string{"%s", "%v", "%+v", "%#v"} {
		if got := fmt.Sprintf(f, struct{ P Password }{secretWord}); strings.Contains(got, "khẩu") {
			t.Errorf("%s shows %s", f, got)
		}
	}
}

func TestVerifiedLoginIsRemembered(t *testing.T) {
	w := open(t, Options{})
	a, _ := w.account(t, "vt@x.test", secretWord)
	login := func(p Password) error {
		_, err := w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: p, Remote: ip("10.0.0.1"), Protocol: IMAP})
		return err
	}
	if err := login(secretWord); err != nil {
		t.Fatal(err)
	}
	// With both slots taken and no time to wait, only memory can answer.
	w.login.slots <- struct{}{}
	w.login.slots <- struct{}{}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	warm := func(p Password) bool {
		_, err := w.Authenticate(ctx, Attempt{Login: "vt@x.test", Password: p, Remote: ip("10.0.0.1"), Protocol: IMAP})
		return err == nil
	}
	if !warm(secretWord) {
		t.Error("verified a moment ago, and verified again")
	}
	if warm("another password") {
		t.Error("a wrong password is known")
	}
	w.clock.advance(15 * time.Minute)
	if warm(secretWord) {
		t.Error("remembered for longer than 15 minutes")
	}
	<-w.login.slots
	<-w.login.slots
	if err := login(secretWord); err != nil {
		t.Fatal(err)
	}
	opened := w.clock.now()
	w.clock.advance(time.Second)
	if _, err := w.SetPassword(t.Context(), admin, a.ID, "another password"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, login(secretWord), fault.Denied)
	if w.Snapshot().StillValid(Grant{Account: a, By: ByPassword, At: opened}) {
		t.Error("a session from before the change is still valid")
	}
	if err := login("another password"); err != nil {
		t.Error(err)
	}
	if !w.Snapshot().StillValid(Grant{Account: a, By: ByPassword, At: w.clock.now()}) {
		t.Error("a session from after the change is not valid")
	}
	if err := w.SetState(t.Context(), admin, a.ID, Disabled); err != nil {
		t.Fatal(err)
	}
	wantKind(t, login("another password"), fault.Denied)
	if w.Snapshot().StillValid(Grant{Account: a, By: ByPassword, At: w.clock.now()}) {
		t.Error("a session of a disabled account is valid")
	}
}

func TestUnknownLoginsCostAsMuch(t *testing.T) {
	w := open(t, Options{})
	w.account(t, "vt@x.test", secretWord)
	w.account(t, "cv@x.test", "")
	// The shortest of several rounds counts, and rounds go on until a busy
	// machine has given each its chance.
	logins := []Login{"vt@x.test", "ai@x.test", "cv@x.test", "soyte@x.test"} // given, unknown, made, a unit
	best := []time.Duration{time.Hour, time.Hour, time.Hour, time.Hour}
	for round := range 18 {
		for i, login := range logins {
			start := time.Now()
			_, err := w.Authenticate(t.Context(), Attempt{Login: login, Password: "wrong password", Remote: netip.AddrFrom4([4]byte{10, byte(i), byte(round), 1}), Protocol: IMAP})
			best[i] = min(best[i], time.Since(start))
			wantKind(t, err, fault.Denied)
		}
		if round >= 2 && slices.Max(best) < 2*slices.Min(best) {
			return
		}
	}
	t.Errorf("times for %v are %v, want them alike", logins, best)
}

func TestVerifyArgon2(t *testing.T) {
	good := hashArgon2("x")
	if ok, err := verifyArgon2("x", good); !ok || err != nil {
		t.Errorf("own hash: %v, %v", ok, err)
	}
	if good == hashArgon2("x") {
		t.Error("two hashes of one password are equal: no salt")
	}
	for _, phc := range []string{
		"", "$argon2id$v=19$m=19456,t=2,p=1$AAAA", strings.Replace(good, "argon2id", "argon2i", 1),
		strings.Replace(good, "m=19456", "m=4000000", 1), strings.Replace(good, "t=2", "t=2000", 1), strings.Replace(good, "p=1", "p=0", 1),
		good[:strings.LastIndexByte(good, '$')] + "$!!", good[:strings.LastIndexByte(good, '$')] + "$",
	} {
		if ok, err := verifyArgon2("x", phc); ok || err == nil {
			t.Errorf("%q is taken: %v, %v", phc, ok, err)
		}
	}
}

// brakeTest drives a brake alone, where a guess costs nothing.
type brakeTest struct {
	*brake
	clock *fakeClock
}

func newBrakeTest() brakeTest { return brakeTest{newBrake(), newClock()} }

// guess makes one wrong guess and tells whether it was looked at.
func (b brakeTest) guess(login, from string) bool {
	p := pair{login, ip(from)}
	if !b.admits(p, b.clock.now()) {
		return false
	}
	b.failed(p, b.clock.now())
	return true
}

func TestBrakePerAddress(t *testing.T) {
	b := newBrakeTest()
	for i := range 10 {
		if !b.guess(fmt.Sprint("a", i), "10.0.0.1") {
			t.Fatalf("guess %d was refused", i+1)
		}
	}
	for _, delay := range []time.Duration{2, 4, 8, 16, 32, 32} {
		b.clock.advance(delay*time.Second - time.Millisecond)
		if b.guess("b", "10.0.0.1") {
			t.Errorf("a guess after less than %d s was looked at", delay)
		}
		b.clock.advance(time.Millisecond)
		if !b.guess("b", "10.0.0.1") {
			t.Errorf("a guess after %d s was refused", delay)
		}
	}
	if !b.guess("b", "10.0.0.2") {
		t.Error("the neighbour was refused")
	}
	b.clock.advance(15 * time.Minute)
	for i := range 10 {
		if !b.guess("a", "10.0.0.1") {
			t.Fatalf("guess %d was refused after the rest", i+1)
		}
	}
}

func TestBrakePerNet(t *testing.T) {
	b := newBrakeTest()
	n := 0
	for i := range 200 { // one guess from each address, on accounts of their own
		if b.guess(fmt.Sprint("a", i), fmt.Sprintf("10.0.0.%d", i+1)) {
			n++
		}
	}
	if n != 50 {
		t.Errorf("%d guesses from one /24 were looked at, want 50", n)
	}
	if !b.guess("a", "10.0.1.1") {
		t.Error("the next net was refused")
	}
	for i := range 60 {
		b.guess(fmt.Sprint("c", i), fmt.Sprintf("2001:db8::%x", i))
	}
	if b.guess("d", "2001:db8::ffff:1") || !b.guess("d", "2001:db8:0:1::1") {
		t.Error("IPv6 counts by /64")
	}
}

func TestBrakePerAccountSparesTheOwner(t *testing.T) {
	b := newBrakeTest()
	owner := pair{"vt", ip("192.0.2.1")}
	b.succeeded(owner, b.clock.now())
	n := 0
	for i := range 100 {
		if b.guess("vt", fmt.Sprintf("10.%d.0.1", i)) {
			n++
		}
	}
	if n != 20 {
		t.Errorf("%d guesses from everywhere were looked at, want 20", n)
	}
	if b.admits(pair{"vt", ip("198.51.100.1")}, b.clock.now()) {
		t.Error("an unknown address is let through")
	}
	if !b.admits(owner, b.clock.now()) {
		t.Error("the owner is locked out from where he was before")
	}
	for i := range 30 { // his neighbours behind the same address
		b.guess(fmt.Sprint("x", i), "192.0.2.1")
	}
	if !b.admits(owner, b.clock.now()) {
		t.Error("the owner is locked out by his neighbours")
	}
	for range 10 {
		b.guess("vt", "192.0.2.1")
	}
	if b.admits(owner, b.clock.now()) {
		t.Error("guessing from the owner's own address is not slowed down")
	}
}

func TestBrakeIsBounded(t *testing.T) {
	b := newBrakeTest()
	for i := range 3 * maxBuckets {
		b.guess(fmt.Sprint("a", i), netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String())
	}
	if len(b.address.m) > maxBuckets || len(b.account.m) > maxBuckets || len(b.net.m) > maxBuckets {
		t.Errorf("%d, %d, %d counters", len(b.address.m), len(b.account.m), len(b.net.m))
	}
	now := b.clock.now()
	for i := range maxFriends + 10 {
		b.succeeded(pair{fmt.Sprint("a", i), ip("10.0.0.1")}, now)
	}
	if len(b.friends) > maxFriends {
		t.Errorf("%d addresses remembered", len(b.friends))
	}
}

// TestGuessesSideBySide: attempts on many connections at once do not pass the brake
// together before the first has failed.
func TestGuessesSideBySide(t *testing.T) {
	w := open(t, Options{})
	w.account(t, "vt@x.test", secretWord)
	done := make(chan error)
	for i := range 40 {
		go func() {
			_, err := w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: Password(fmt.Sprint("guess number ", i)), Remote: ip("10.0.0.1"), Protocol: IMAP})
			done <- err
		}()
	}
	looked := 0
	for range 40 {
		if err := <-done; fault.KindOf(err) == fault.Denied {
			looked++
		} else {
			wantKind(t, err, fault.Exhausted)
		}
	}
	if looked > failPerAddress+1 {
		t.Errorf("%d guesses were looked at, want %d, and one that was under way", looked, failPerAddress)
	}
	// T054: the owner logs in from elsewhere meanwhile.
	if _, err := w.Authenticate(t.Context(), Attempt{Login: "vt@x.test", Password: secretWord, Remote: ip("192.0.2.1"), Protocol: IMAP}); err != nil {
		t.Errorf("owner: %v", err)
	}
}

// TestGuessingIsLoggedOnce: not once for each guess.
func TestGuessingIsLoggedOnce(t *testing.T) {
	var out strings.Builder
	w := open(t, Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	for range 30 {
		_, _ = w.Authenticate(t.Context(), Attempt{Login: "khong hop le", Password: "secret guess", Remote: ip("10.0.0.1"), Protocol: IMAP})
	}
	if n := strings.Count(out.String(), "slowing down"); n != 1 || strings.Contains(out.String(), "secret guess") {
		t.Errorf("log has %d lines:\n%s", n, out.String())
	}
}

func BenchmarkAuthenticateWarm(b *testing.B) {
	w := open(b, Options{})
	w.account(b, "vt@x.test", secretWord)
	from := ip("10.0.0.1")
	if _, err := w.Authenticate(b.Context(), Attempt{Login: "vt@x.test", Password: secretWord, Remote: from, Protocol: IMAP}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Authenticate(b.Context(), Attempt{Login: "vt@x.test", Password: secretWord, Remote: from, Protocol: IMAP}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuthenticateMade(b *testing.B) {
	w := open(b, Options{})
	_, made := w.account(b, "cv@x.test", "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Authenticate(b.Context(), Attempt{Login: "cv@x.test", Password: made, Remote: ip("10.0.0.1"), Protocol: IMAP}); err != nil {
			b.Fatal(err)
		}
	}
}
