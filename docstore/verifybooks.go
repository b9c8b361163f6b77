package docstore

import (
	"context"
	"fmt"

	"vanthu/internal/sqldb"
)

// verifyBooks checks the chain and the numbers of every book.
func verifyBooks(ctx context.Context, r sqldb.Reader, rep *Report) error {
	books, err := Books(ctx, r)
	if err != nil {
		return err
	}
	for _, b := range books {
		rep.Books++
		entries, err := collect(ctx, r, scanEntry, qEntries, int64(b.ID))
		if err != nil {
			return err
		}
		rep.Entries += len(entries)
		if err := b.verifyChain(entries); err != nil {
			return err
		}
		if b.Direction == DirectionIn {
			err = b.verifyIncoming(entries)
		} else {
			err = b.verifyOutgoing(ctx, r, entries)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) name() string {
	s := fmt.Sprintf("unit %d %s %d", b.Unit, b.Direction, b.Year)
	if b.Series != SeriesDefault {
		s += " " + string(b.Series)
	}
	return s
}

func (b *Book) wrong(e Entry, expected, found string) *Wrong {
	return &Wrong{"register", fmt.Sprintf("%s number %d", b.name(), e.Number), expected, found}
}

// verifyChain checks that the entries are those that were written, all of them
// and in their order.
func (b *Book) verifyChain(entries []Entry) error {
	var prev [32]byte
	for i, e := range entries {
		switch want := entryHash(*b, e); {
		case e.Ordinal != i+1:
			return b.wrong(e, fmt.Sprintf("line %d", i+1), fmt.Sprintf("line %d", e.Ordinal))
		case e.Prev != prev:
			return b.wrong(e, fmt.Sprintf("previous hash %x", prev), fmt.Sprintf("%x", e.Prev))
		case e.Hash != want:
			return b.wrong(e, fmt.Sprintf("hash %x", want), fmt.Sprintf("%x", e.Hash))
		}
		prev = e.Hash
		if e.Corrects == 0 {
			continue
		}
		if e.Corrects < 0 || e.Corrects >= e.Ordinal || entries[e.Corrects-1].Corrects != 0 || entries[e.Corrects-1].Number != e.Number {
			return b.wrong(e, "an earlier entry of that number below which it belongs", fmt.Sprintf("line %d", e.Corrects))
		}
	}
	if b.Lines != len(entries) {
		return &Wrong{"register", b.name(), fmt.Sprintf("%d entries", b.Lines), fmt.Sprint(len(entries))}
	}
	if b.Head != prev {
		return &Wrong{"register", b.name(), fmt.Sprintf("head %x", prev), fmt.Sprintf("%x", b.Head)}
	}
	return nil
}

// verifyIncoming checks that arrival numbers are 1, 2, 3, … as they were entered.
func (b *Book) verifyIncoming(entries []Entry) error {
	n := 0
	for _, e := range entries {
		if e.Corrects != 0 {
			continue
		}
		if n++; e.Number != n {
			return b.wrong(e, fmt.Sprintf("number %d", n), fmt.Sprintf("number %d", e.Number))
		}
	}
	if b.Last != n {
		return &Wrong{"register", b.name(), fmt.Sprintf("%d entries", b.Last), fmt.Sprint(n)}
	}
	return nil
}

// verifyOutgoing checks that every number that was given here has an entry, or
// is still reserved, that none has two, and that every voided entry has its
// voiding in the journal.
func (b *Book) verifyOutgoing(ctx context.Context, r sqldb.Reader, entries []Entry) error {
	given := map[int]int{}
	for _, e := range entries {
		if e.Number > b.Last {
			return b.wrong(e, fmt.Sprintf("a number up to %d", b.Last), fmt.Sprint(e.Number))
		}
		if e.Corrects == 0 && e.Suffix == "" {
			given[e.Number]++
		}
		if e.State != EntryVoided {
			continue
		}
		var n int
		if err := r.QueryRow(ctx, qVoidInJournal, e.VoidSeq, sqldb.Micros(e.Voided), int64(b.Unit)).Scan(&n); err != nil {
			return fmt.Errorf("verify a register: %w", err)
		}
		if n != 1 {
			return b.wrong(e, "its voiding in the journal", "none")
		}
	}
	reserved, err := collect(ctx, r, scanReservation, qBookReservations, int64(b.ID))
	if err != nil {
		return err
	}
	for _, v := range reserved {
		if v.State == ReservationOpen {
			given[v.Number]++
		}
	}
	if b.ManagedFrom == 0 {
		return nil
	}
	for n := b.ManagedFrom; n <= b.Last; n++ {
		if given[n] != 1 {
			return &Wrong{"register", fmt.Sprintf("%s number %d", b.name(), n), "one entry or reservation", fmt.Sprint(given[n])}
		}
	}
	return nil
}

const qVoidInJournal = `SELECT count(*) FROM journal WHERE seq = $1 AND at_us = $2 AND unit = $3 AND type = 'register.voided'`
