package delivery_test

import (
	"testing"
	"time"

	"vanthu/docstore"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// What asks for opinions is a document, with a number or not, that has a deadline.
func TestConsultations(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, subject, to string
		due               time.Time // local
	}{
		{"usual deadline", "[LẤY Ý KIẾN] V/v quy chế", "xa1@p.test", time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)},
		{"its own deadline", "[LẤY Ý KIẾN] [HẠN 27/11/2026] V/v quy chế", "xa1@p.test", time.Date(2026, 11, 27, 23, 59, 59, 0, time.UTC)},
		{"with a number", "[12/SNV-VP] [LẤY Ý KIẾN] V/v quy chế", "xa1@p.test", time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)},
		{"by the address", "V/v quy chế", "xa1+ykien@p.test", time.Date(2026, 12, 1, 17, 0, 0, 0, time.UTC)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := w.send(clerk, clerk, letter(clerk, tt.to, mail.EncodeText(tt.subject), tt.name[:4], "Kính gửi."), tt.to); err != nil {
				t.Fatal(err)
			}
			want := tt.due.Add(-7 * time.Hour).UnixMicro()
			if n := w.count(`SELECT count(*) FROM document c JOIN dispatch d ON d.document_id = c.id
				WHERE c.id = (SELECT max(id) FROM document) AND c.due_us = $1 AND d.due_us = $2`, want, want); n != 1 {
				t.Errorf("document and dispatch are due at %d, want %d", w.count(`SELECT max(due_us) FROM document`), want)
			}
		})
	}
	if n := w.in("xa1", mailstore.RoleIncoming); n != 4 {
		t.Errorf("%d documents wait at xa1, want 4", n)
	}
	for _, tt := range []struct {
		who, subject string
		want         fault.Kind
	}{
		{clerk, "[LẤY Ý KIẾN] [HẠN 01/11/2026] V/v muộn", fault.Invalid},
		{"chuyenvien@snv.p.test", "[LẤY Ý KIẾN] V/v không phải văn thư", fault.Denied},
	} {
		if _, err := w.send(tt.who, tt.who, letter(tt.who, "xa1@p.test", mail.EncodeText(tt.subject), "x", "."), "xa1@p.test"); fault.KindOf(err) != tt.want || err == nil {
			t.Errorf("%s: %v, want kind %v", tt.subject, err, tt.want)
		}
	}
	// To a person it is ordinary mail.
	if _, err := w.send("chuyenvien@snv.p.test", "chuyenvien@snv.p.test",
		letter("chuyenvien@snv.p.test", "vanthu@xa1.p.test", mail.EncodeText("[LẤY Ý KIẾN] V/v liên hoan"), "y", "."), "vanthu@xa1.p.test"); err != nil {
		t.Error(err)
	}
}

// A draft is ordinary mail; replies that its author gets are collected.
func TestDrafts(t *testing.T) {
	w := newWorld(t)
	const author, other = "chuyenvien@snv.p.test", "chuyenvien@xa1.p.test"
	send := func(from, to, subject, id, body string, fields ...string) {
		t.Helper()
		if _, err := w.send(from, from, letter(from, to, mail.EncodeText(subject), id, body, fields...), to); err != nil {
			t.Fatal(err)
		}
	}
	send(author, "xa1@p.test", "[DỰ THẢO] [HẠN 30/11/2026] V/v quy chế làm việc", "d1", "Xin ý kiến.")
	send(author, "xa2+duthao@p.test", "Quy chế văn thư", "d2", "Xin ý kiến.")
	if a, b, n := w.in("xa1", mailstore.RoleUnitInbox), w.in("xa2", mailstore.RoleUnitInbox), w.count(`SELECT count(*) FROM document`); a != 1 || b != 1 || n != 0 {
		t.Errorf("ordinary mail %d, %d, documents %d; want 1, 1, 0", a, b, n)
	}
	re := "In-Reply-To: <d1@p.test>"
	send(other, author, "Re: dự thảo", "c1", "Đồng ý: nhất trí\r\nSửa Điều 2.\r\n> Xin ý kiến.", re)
	send("vanthu@xa1.p.test", "snv@p.test", "Re: dự thảo", "c2", "Bổ sung căn cứ.", re, "References: <d1@p.test>")
	send(other, "xa2+duthao@p.test", "Re: dự thảo", "c3", "Nói với nhau.", "In-Reply-To: <d2@p.test>") // not for the author
	send(author, "snv@p.test", "Re: dự thảo", "c4", "Cảm ơn.", re)                                     // the author's own
	send(other, author, "Chuyện khác", "c5", "Không liên quan.", "In-Reply-To: <khac@p.test>")
	send(other, author, "Re: dự thảo", "c6", "Tôi vắng mặt.", re, "Auto-Submitted: auto-replied")

	if err := w.db.View(t.Context(), func(r sqldb.Reader) error {
		drafts, err := docstore.Drafts(t.Context(), r, docstore.DraftFilter{Author: w.ids[author]}, 0)
		if err != nil || len(drafts) != 2 {
			t.Fatalf("%d drafts, %v; want 2", len(drafts), err)
		}
		d := drafts[1]
		if d.Abstract != "quy chế làm việc" || d.Unit != w.units["snv"] || d.Due.IsZero() || drafts[0].Abstract != "Quy chế văn thư" {
			t.Errorf("drafts %+v", drafts)
		}
		got, err := docstore.Comments(t.Context(), r, d.ID)
		if err != nil || len(got) != 2 {
			t.Fatalf("comments %+v, %v; want 2", got, err)
		}
		if got[0].Vote != docstore.VoteAgree || got[0].Text != "Đồng ý: nhất trí\nSửa Điều 2." || got[0].Author != w.ids[other] || got[0].Unit != w.units["xa1"] {
			t.Errorf("first comment %+v", got[0])
		}
		if got[1].Vote != "" || got[1].Text != "Bổ sung căn cứ." {
			t.Errorf("second comment %+v", got[1])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
