package imapd

import (
	"slices"
	"time"

	"vanthu/internal/mailstore"
)

// description is what is read for a batch of messages beside what is stored with them.
type description struct {
	saved    map[mailstore.UID]time.Time
	previews map[mailstore.MessageID]string
}

// describe reads what SAVEDATE (RFC 8514) and PREVIEW (RFC 8970) answer for a batch.
func (f *fetcher) describe(list []target) {
	has := func(kind fetchKind) bool {
		return slices.ContainsFunc(f.items, func(it fetchItem) bool { return it.kind == kind })
	}
	if has(fetchSaveDate) {
		f.about.saved = make(map[mailstore.UID]time.Time, len(list))
		uids := make([]mailstore.UID, len(list))
		for i := range list {
			uids[i] = list[i].row.UID
		}
		f.note(f.s.srv.be.Store.Saved(f.s.ctx, f.b.id, mailstore.UIDs(uids...), func(uid mailstore.UID, at time.Time) { f.about.saved[uid] = at }))
	}
	if has(fetchPreview) {
		f.about.previews = make(map[mailstore.MessageID]string, len(list))
		wait := slices.ContainsFunc(f.items, func(it fetchItem) bool { return it.kind == fetchPreview && !it.lazy })
		var ids []mailstore.MessageID
		for i := range list {
			ids = append(ids, list[i].row.Message)
		}
		f.note(f.s.srv.be.Store.Previews(f.s.ctx, ids, wait, func(id mailstore.MessageID, text string) { f.about.previews[id] = text }))
	}
}

// note logs a failure of the store; the command goes on with the other messages and ends with NO.
func (f *fetcher) note(err error) {
	if err != nil {
		f.s.log.Error("read messages", "err", err)
		f.failed = true
	}
}

// saveDate writes SAVEDATE; NIL for a message that another client has expunged meanwhile.
func (f *fetcher) saveDate(t target) {
	f.buf = append(f.buf, "SAVEDATE "...)
	if at, known := f.about.saved[t.row.UID]; known {
		f.buf = appendDateTime(f.buf, at, f.s.srv.opt.Zone)
		return
	}
	f.buf = append(f.buf, "NIL"...)
}

// preview writes PREVIEW; NIL when it is not at hand.
func (f *fetcher) preview(t target) {
	f.buf = append(f.buf, "PREVIEW "...)
	if text, known := f.about.previews[t.row.Message]; known {
		f.buf = appendString(f.buf, text, f.s.wide)
		return
	}
	f.buf = append(f.buf, "NIL"...)
}
