package delivery_test

import (
	"testing"

	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// T031: however an address elsewhere is spelt, a stranger cannot have mail relayed to it. RFC 5321, section 3.6; RFC 5068.
func TestNoSpellingRelays(t *testing.T) {
	w := newWorld(t)
	rcpts := []string{
		"<x@out.test>", "<x%out.test@p.test>", "<x%out.test@out.test>", "<out.test!x@p.test>", "<out.test!x>", "<@p.test:x@out.test>",
		"<@out.test:x@p.test>", "<@p.test,@out.test:x@out.test>", "<\"x@out.test\"@p.test>", "<\"x@out.test\">", "<x@out.test@p.test>",
		"<x@p.test@out.test>", "<x@out.test.>", "<x@out.test\x00@p.test>", "<x@out.test\t@p.test>", "<x@out.test,y@p.test>", "<x@[192.0.2.1]>",
		"<x@[IPv6:2001:db8::1]>", "<x@127.0.0.1>", "<x>", "<@>", "<x@>", "<@out.test>", "x@out.test", "<x@OUT.test>", "<xa1+x@out.test>",
		"<x@p.test.out.test>",
	}
	senders := []mail.Path{{Null: true}, {Address: address(t, "a@out.test")}, {Address: address(t, "a@peer.test")}, {Address: address(t, "postmaster@out.test")},
		{Address: address(t, "x@sub.p.test")}, {Address: address(t, "p.test@out.test")}}
	for _, r := range rcpts {
		to, err := mail.ParsePath(r, false)
		if err != nil || to.Null {
			continue // 501: the front refuses it
		}
		for _, from := range senders {
			err := w.delivery.CheckRecipient(t.Context(), w.origin(""), from, to.Address)
			if k := fault.KindOf(err); err == nil || k != fault.Denied && k != fault.NotFound && k != fault.Invalid {
				t.Errorf("%s from %s: %v, want a refusal", r, from, err)
			}
		}
	}
}

// T035: who has logged in as one cannot send as another, however that one's address is spelt.
func TestNoSpellingOfAnothersAddress(t *testing.T) {
	w := newWorld(t)
	for _, from := range []string{
		"<vanthu@xa1.p.test>", "<VANTHU@XA1.P.TEST>", "<vanthu+x@xa1.p.test>", "<\"vanthu\"@xa1.p.test>", "<@snv.p.test:vanthu@xa1.p.test>",
		"<vanthu@xa1.p.test.>", "<vanthu%xa1.p.test@snv.p.test>", "<\"vanthu@xa1.p.test\"@snv.p.test>", "<vanthu@snv.p.test@xa1.p.test>",
	} {
		p, err := mail.ParsePath(from, false)
		if err != nil {
			continue // 501: the front refuses it
		}
		if err := w.delivery.CheckSender(t.Context(), w.origin(clerk), p); fault.KindOf(err) != fault.Denied || err == nil {
			t.Errorf("%s: %v, want a refusal", from, err)
		}
	}
}
