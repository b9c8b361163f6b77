package testkit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"vanthu/internal/testkit"
)

const storyCode = "123/QĐ-UBND"

// shown is what doc show --json promises; more fields may come.
type shown struct {
	Code, Issuer, Subject, Type, Issued string
	Files                               []struct {
		Name, SHA256 string
		Size         int64
	}
	Dispatches []struct {
		Unit, State, Status string
		ArrivalNumber       int `json:"arrival_number"`
		Events              []struct{ Status, At, Actor, Source, Reason string }
	}
}

// TestFixedSurface drives the training province by the commands and files that
// other programs rely on.
func TestFixedSurface(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the real program")
	}
	t.Parallel()
	d := binary.StartDemo(t)
	vanthu := func(t *testing.T, code int, args ...string) string {
		t.Helper()
		out, errs, got := binary.Run(t, append([]string{"--config", d.Config}, args...)...)
		if got != code {
			t.Fatalf("vanthu %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, errs)
		}
		return out
	}
	document := func(t *testing.T) (v shown) {
		t.Helper()
		out := vanthu(t, 0, "doc", "show", storyCode, "--json")
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatalf("doc show --json: %v\n%s", err, out)
		}
		return v
	}

	t.Run("demo.json", func(t *testing.T) {
		for name, addr := range map[string]string{
			"smtp": d.SMTP, "submission": d.Submission, "submissions": d.Submissions, "lmtp": d.LMTP,
			"imap": d.IMAP, "imaps": d.IMAPS, "http": d.HTTP, "https": d.HTTPS,
		} {
			if !strings.HasPrefix(addr, "127.0.0.1:") {
				t.Errorf("%s is %q", name, addr)
			}
		}
		if len(d.Accounts) != 51*4+2 {
			t.Errorf("%d accounts, want 206", len(d.Accounts))
		}
	})
	t.Run("web", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: d.TLS}}
		defer client.CloseIdleConnections()
		for _, url := range []string{"http://" + d.HTTP + "/", "https://" + d.HTTPS + "/"} {
			res, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err := errors.Join(err, res.Body.Close()); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusOK || !strings.Contains(string(body), "<html") {
				t.Errorf("%s: %s\n%.300s", url, res.Status, body)
			}
		}
	})
	t.Run("doc show", func(t *testing.T) {
		v := document(t)
		if v.Code != storyCode || v.Issuer != testkit.Address("ubnd") || v.Type != "Quyết định" || v.Subject == "" ||
			len(v.Files) != 1 || len(v.Files[0].SHA256) != 64 || v.Files[0].Size == 0 || len(v.Dispatches) != 45 {
			t.Errorf("shown: %+v", v)
		}
		for _, x := range v.Dispatches[:3] {
			e := x.Events[0]
			if e.Status != "01" || e.At == "" || e.Actor == "" || e.Source != "smtp" {
				t.Errorf("%s: first event %+v", x.Unit, e)
			}
		}
	})
	t.Run("act", func(t *testing.T) {
		clerk := testkit.Login("vanthu", "xa10")
		vanthu(t, 1, "doc", "register", storyCode, "--as", testkit.Login("chuyenvien1", "xa10"))
		vanthu(t, 0, "doc", "register", storyCode, "--as", clerk)
		vanthu(t, 1, "doc", "register", storyCode, "--as", clerk) // once is enough
		vanthu(t, 0, "doc", "complete", storyCode, "--as", clerk)
		vanthu(t, 0, "doc", "refuse", storyCode, "--as", testkit.Login("vanthu", "xa11"), "--reason", "SAI_NOI_NHAN")
		want := map[string]string{"xa10": "completed 06 1", "xa11": "refused 02 0", "xa12": "arrived 01 0"}
		for _, x := range document(t).Dispatches {
			unit, _, _ := strings.Cut(x.Unit, "@")
			if got := fmt.Sprintf("%s %s %d", x.State, x.Status, x.ArrivalNumber); want[unit] != "" && got != want[unit] {
				t.Errorf("%s: %s, want %s", unit, got, want[unit])
			}
		}
		// What was done by command is where a mail client looks for it.
		holdsDemo(t, d, "xa10", testkit.Completed, 1)
		holdsDemo(t, d, "xa11", testkit.Waiting, 0)
	})
	t.Run("text of the attachment", func(t *testing.T) { // a PDF, read in a child process
		c := demoIMAP(t, d, testkit.Login("vanthu", "xa12"))
		if err := c.Select(testkit.Shared("xa12", testkit.Waiting)); err != nil {
			t.Fatal(err)
		}
		for needle, want := range map[string]int{"co hieu luc trong buoi dao tao": 1, "co hieu luc trong buoi khac": 0} {
			if uids, err := c.Search(`BODY "` + needle + `"`); err != nil || len(uids) != want {
				t.Errorf("BODY %q finds %v, want %d: %v", needle, uids, want, err)
			}
		}
	})
	t.Run("register as of a day", func(t *testing.T) { // oracle 17
		args := []string{"register", "show", "--unit", "xa01", "--csv", "--as-of", "2999-12-31"}
		first := vanthu(t, 0, args...)
		if again := vanthu(t, 0, args...); again != first || !strings.Contains(first, storyCode) {
			t.Errorf("the same register twice:\n%s\n%s", first, again)
		}
		if out := vanthu(t, 0, "register", "show", "--unit", "xa01", "--as-of", "2020-01-01", "--csv"); strings.Contains(out, storyCode) {
			t.Errorf("the register of 2020 has what came later:\n%s", out)
		}
	})
	t.Run("listings", func(t *testing.T) {
		for _, args := range [][]string{
			{"unit", "list"}, {"account", "list"}, {"group", "list"}, {"alias", "list"}, {"doc", "list"}, {"queue", "list"},
			{"mailbox", "list", "--unit", "xa01"}, {"register", "show", "--unit", "xa01"}, {"status"}, {"audit", "verify"}, {"audit", "list"},
		} {
			out := vanthu(t, 0, slices.Concat(args, []string{"--json"})...)
			if !json.Valid([]byte(out)) || strings.HasPrefix(out, "null") {
				t.Errorf("%v --json is no JSON:\n%.300s", args, out)
			}
		}
	})
}

func holdsDemo(t *testing.T, d *testkit.Demo, unit, folder string, want int) {
	t.Helper()
	holds(t, demoIMAP(t, d, testkit.Login("vanthu", unit)), unit, folder, want)
}

// TestOutside is what strangers may do at the relay port, and what they may not.
func TestOutside(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	soyte := testkit.Address("soyte")
	stranger := "somebody@elsewhere.test"
	message := func(id string) []byte {
		b := testkit.Message(stranger, "Thư từ bên ngoài", id, soyte)
		return b.Bytes()
	}
	secret := testkit.Message(stranger, "Tài liệu", "outside4", soyte)
	secret.Text = "TUYỆT MẬT\n"
	for _, tt := range []struct {
		name, from, to string
		message        []byte
		code           int // 0: accepted
	}{
		{"to a unit", stranger, soyte, message("outside1"), 0},
		{"with an address of ours", issuer, soyte, message("outside2"), 553},
		{"through us", stranger, "else@elsewhere.test", message("outside3"), 550},
		{"to nobody", stranger, "khong-co@" + testkit.Domain, message("outside3"), 550},
		{"with a secrecy mark", stranger, soyte, secret.Bytes(), 550},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := (&testkit.Sender{Addr: s.Addr.Relay, TLS: s.TLS, From: tt.from}).Send(tt.message, tt.to)
			var e *textproto.Error
			if ok := err == nil; tt.code == 0 && !ok || tt.code != 0 && (!errors.As(err, &e) || e.Code != tt.code) {
				t.Errorf("reply %v, want %d", err, tt.code)
			}
		})
	}
	counts(t, s, map[string]int{qMessages: 1})
	holds(t, s.IMAP(t, testkit.Login("vanthu", "soyte")), "soyte", testkit.Mail, 1)
}
