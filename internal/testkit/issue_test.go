package testkit_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"vanthu/docstore"
	"vanthu/internal/control"
	"vanthu/internal/testkit"
)

// appendTo puts a message into a folder of a unit and gives the server's answer.
func appendTo(c *testkit.IMAP, unit, folder string, message []byte) (string, error) {
	_, ok, err := c.Cmd("APPEND \"%s\" {%d+}\r\n%s", testkit.ModifiedUTF7(testkit.Shared(unit, folder)), len(message), message)
	return ok, err
}

// A draft that staff puts into 1 Chờ cấp số is numbered and issued when the
// clerk moves it to 2 Đã phát hành.
func TestIssueByMove(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	call := func(name string, req, resp any) {
		t.Helper()
		if err := s.Rooms.Control().Call(t.Context(), name, req, resp, nil); err != nil {
			t.Fatal(err)
		}
	}
	call(control.CallNumberingSet, control.NumberingSet{Unit: "ubnd", Mode: docstore.ModeManaged, Start: 124}, nil)
	b := testkit.Message(testkit.Address("ubnd"), "[?/QĐ-UBND] V/v giao chỉ tiêu kế hoạch", "draft1", xa01, testkit.Address("xa02"))
	draft := b.Bytes()

	staff := s.IMAP(t, testkit.Login("chuyenvien", "ubnd"))
	if ok, err := appendTo(staff, "ubnd", testkit.Numbering, draft); err != nil {
		t.Fatalf("staff hands a draft over: %v %v", ok, err)
	}
	if _, err := appendTo(staff, "ubnd", testkit.Issued, draft); err == nil {
		t.Error("APPEND to what was issued succeeded")
	}
	uid := holds(t, staff, "ubnd", testkit.Numbering, 1)[0]
	if err := staff.Move(uid, testkit.Shared("ubnd", testkit.Issued)); err == nil || !strings.Contains(err.Error(), "NO") {
		t.Errorf("staff issues: %v, want NO", err)
	}
	counts(t, s, map[string]int{qDocuments: 0, `SELECT count(*) FROM register_reservation`: 0})

	var waiting []struct{ UID int }
	call(control.CallDraftList, control.NumberList{Unit: "ubnd"}, &waiting)
	if len(waiting) != 1 || fmt.Sprint(waiting[0].UID) != uid {
		t.Errorf("drafts = %+v, want UID %s", waiting, uid)
	}
	var done control.DraftDone
	call(control.CallDraftAct, control.DraftAct{Unit: "ubnd", UID: 1, As: issuer}, &done) // numbered, not sent
	if done.Code != "124/QĐ-UBND" {
		t.Errorf("number %s, want 124/QĐ-UBND", done.Code)
	}

	clerk := s.IMAP(t, issuer)
	uid = holds(t, clerk, "ubnd", testkit.Numbering, 1)[0]
	if _, ok, err := clerk.Cmd(`UID MOVE %s "%s"`, uid, testkit.ModifiedUTF7(testkit.Shared("ubnd", testkit.Issued))); err != nil {
		t.Fatalf("the clerk issues: %v %v", ok, err)
	}
	holds(t, clerk, "ubnd", testkit.Numbering, 0)
	own := holds(t, clerk, "ubnd", testkit.Issued, 1)[0]
	body, err := clerk.Body(own)
	if err != nil || !bytes.Contains(body, []byte("Message-ID: <draft1")) {
		t.Errorf("the issued message: %v\n%s", err, body)
	}
	if v := show(t, s, "124/QĐ-UBND"); len(v.Dispatches) != 2 || v.Subject != "giao chỉ tiêu kế hoạch" {
		t.Errorf("document = %+v", v)
	}
	holds(t, s.IMAP(t, clerk1), "xa01", testkit.Waiting, 1)
	counts(t, s, map[string]int{
		`SELECT count(*) FROM register_entry e JOIN register_book b ON b.id = e.book_id WHERE b.direction = 'di' AND number = 124`: 1,
		`SELECT count(*) FROM register_reservation WHERE state = 'used'`:                                                           1,
	})

	// By the old way of COPY, with a number of its own that is wrong, then right.
	for _, tt := range []struct {
		subject string
		ok      bool
	}{
		{"[7/QĐ-UBND] V/v sai số", false}, {"V/v không có ký hiệu", false}, {"[125/QĐ-UBND] V/v đúng số", true},
	} {
		b := testkit.Message(testkit.Address("ubnd"), tt.subject, "draft-"+fmt.Sprint(len(tt.subject)), xa01)
		if _, err := appendTo(clerk, "ubnd", testkit.Numbering, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		uid := holds(t, clerk, "ubnd", testkit.Numbering, 1)[0]
		_, answer, err := clerk.Cmd(`UID COPY %s "%s"`, uid, testkit.ModifiedUTF7(testkit.Shared("ubnd", testkit.Issued)))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %q, %v", tt.subject, answer, err)
		}
		if !tt.ok { // a draft that was refused stays, and may be deleted
			if _, _, err := clerk.Cmd(`UID STORE %s +FLAGS.SILENT (\Deleted)`, uid); err != nil {
				t.Fatal(err)
			}
			if _, _, err := clerk.Cmd(`UID EXPUNGE %s`, uid); err != nil {
				t.Fatal(err)
			}
		}
		holds(t, clerk, "ubnd", testkit.Numbering, 0)
	}
	holds(t, s.IMAP(t, clerk1), "xa01", testkit.Waiting, 2)

}
