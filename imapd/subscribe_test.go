package imapd

import (
	"strings"
	"testing"

	"vanthu/internal/directory"
)

// Thunderbird shows what is subscribed to and nothing else: a clerk sees the unit's folders without asking, until she takes one away;
// who has no role in the unit sees none of them.
func TestUnitFoldersAreSubscribed(t *testing.T) {
	w := plain(t)
	c, stranger := w.login("vanthu"), w.login("canbo")
	c.ok("ENABLE UTF8=ACCEPT")
	const incoming = `"Đơn vị/SYT/Văn bản đến/1 Chờ tiếp nhận"`
	shows := func(cmd, name string) bool {
		t.Helper()
		for _, line := range c.ok(cmd) {
			if strings.HasSuffix(line, name) {
				return true
			}
		}
		return false
	}
	for _, cmd := range []string{`LIST (SUBSCRIBED) "" "*"`, `LSUB "" "*"`, `LIST (SUBSCRIBED) "" "&ARABoQ-n v&Hss-/*"`, `LIST (SUBSCRIBED) "Đơn vị/" "*"`} {
		if !shows(cmd, incoming) {
			t.Errorf("%s does not show %s", cmd, incoming)
		}
		if shows(cmd, `"Đơn vị/SYT/Văn bản đến"`) {
			t.Errorf("%s shows a level that is no mailbox", cmd)
		}
		for _, line := range stranger.ok(strings.ReplaceAll(cmd, "Đơn vị", "&ARABoQ-n v&Hss-")) {
			if strings.Contains(line, "&ARABoQ-n") {
				t.Errorf("a stranger is shown %s", line)
			}
		}
	}
	c.ok("UNSUBSCRIBE " + incoming)
	if shows(`LIST (SUBSCRIBED) "" "*"`, incoming) || shows(`LSUB "" "*"`, incoming) {
		t.Error("shown after UNSUBSCRIBE")
	}
	if !shows(`LIST "" "*"`, incoming) {
		t.Error("UNSUBSCRIBE hides it from LIST")
	}
	c.ok("SUBSCRIBE " + incoming)
	if !shows(`LIST (SUBSCRIBED) "" "*"`, incoming) {
		t.Error("not shown after SUBSCRIBE")
	}
	// With the role goes what came with it.
	check(t, w.dir.SetRoles(t.Context(), testActor(), w.ids["vanthu"], []directory.Assignment(nil)))
	c = w.login("vanthu")
	c.ok("ENABLE UTF8=ACCEPT")
	for _, line := range c.ok(`LIST (SUBSCRIBED) "" "*"`) {
		if strings.Contains(line, "Văn bản đến") && !strings.Contains(line, `\NonExistent`) {
			t.Errorf("shown without the role: %s", line)
		}
	}
}
