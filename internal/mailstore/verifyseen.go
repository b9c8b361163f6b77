package mailstore

import (
	"context"
	"fmt"

	"vanthu/internal/directory"
)

const (
	qSeenBoxes = `SELECT DISTINCT mailbox_id FROM seen_account ORDER BY mailbox_id`
	qUIDs      = `SELECT uid FROM entry WHERE mailbox_id = $1 ORDER BY uid`
)

// seen compares the accounts' own \Seen with the entries that there are and
// with their counters.
func (v *verifier) seen(ctx context.Context) error {
	var boxes []MailboxID
	rows, err := v.r.Query(ctx, qSeenBoxes)
	if err != nil {
		return err
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		boxes = append(boxes, MailboxID(id))
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range boxes {
		if err := v.seenIn(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) seenIn(ctx context.Context, id MailboxID) error {
	sets, err := loadSeen(ctx, v.r, id)
	if err != nil {
		v.wrong(Wrong{Kind: "own seen flags", Key: fmt.Sprintf("mailbox %d", id), Expected: "readable", Found: err.Error()})
		return nil
	}
	there := (&seenSet{}).edit()
	rows, err := v.r.Query(ctx, qUIDs, int64(id))
	if err != nil {
		return err
	}
	err = scanAll(rows, func(scan func(...any) error) error {
		var uid int64
		err := scan(&uid)
		there.put(UID(uid), true)
		return err
	})
	if err != nil {
		return err
	}
	if rows, err = v.r.Query(ctx, qSeenAccounts, int64(id)); err != nil {
		return err
	}
	uids := there.done()
	return scanAll(rows, func(scan func(...any) error) error {
		var account, seen int64
		if err := scan(&account, &seen); err != nil {
			return err
		}
		key := fmt.Sprintf("mailbox %d account %d", id, account)
		set := sets[directory.AccountID(account)]
		if n := set.count(); n != seen {
			v.wrong(Wrong{Kind: "own seen counter", Key: key, Expected: fmt.Sprint(n), Found: fmt.Sprint(seen)})
		}
		if n := set.beyond(uids); n > 0 {
			v.wrong(Wrong{Kind: "own seen flags of messages that are gone", Key: key, Expected: "0", Found: fmt.Sprint(n)})
		}
		return nil
	})
}

// beyond counts the UIDs that are not in the other set.
func (s *seenSet) beyond(other *seenSet) (n int64) {
	for i, key := range s.keys {
		p := *s.parts[i]
		for j := range other.keys {
			if other.keys[j] == key {
				for k := range p {
					p[k] &^= other.parts[j][k]
				}
			}
		}
		n += p.count()
	}
	return n
}
