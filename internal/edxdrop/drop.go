// Package edxdrop exchanges documents and statuses with other systems by edXML
// files in two folders: the adapter of the national document axis, or whatever
// stands on the other side, fills the inbox and empties the outbox.
//
// A package in the inbox becomes mail to the units that it names, through
// internal/delivery, with everything that mail to units goes through. A status
// moves the dispatch that it is about. What our units send to an organisation
// outside, and what they do with what came from there, is remembered in the
// transaction that does it and written afterwards.
//
// It owns tables edxml_out and edxml_in. Files and folders:
// docs/formats/edxml.md; why folders: docs/adr/0013-edxml-drop-folder.md.
package edxdrop

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

// Code is the identifier of an organisation: of QĐ 20/2020/QĐ-TTg, or the
// older one of QCVN 102:2016.
type Code string

// Organ is an organisation outside that is reached by edXML.
type Organ struct {
	Codes   []Code // the first is written, all are understood
	Address mail.Address
	Name    string
}

// Options tunes a Drop.
type Options struct {
	Inbox  string // "": nothing is taken
	Outbox string // "": nothing is written
	Organs []Organ
	// Hostname is our name in the Message-IDs of messages made of packages.
	Hostname string
	// Author is who these are from when the organisation has no address here.
	Author mail.Address
	// MaxBytes is the largest file that is taken; 0 means 72 MiB.
	MaxBytes int64
	Every    time.Duration    // how often the inbox is looked into; 0 means 2 s
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil discards
}

// Stores are the rooms that a Drop reads from.
type Stores struct {
	DB        *sqldb.DB
	Directory *directory.Directory
	Mail      *mailstore.Store
}

// Inlet is where what comes in goes to.
type Inlet struct {
	Delivery *delivery.Delivery
	// Documents notes that a document has left.
	Documents *docstore.Store
	// Reported takes a status of one of our documents into tx.
	Reported func(ctx context.Context, tx *sqldb.Tx, rep docstore.Reported) error
}

// Drop is the exchange. Its methods may be called concurrently, Run once.
type Drop struct {
	stores  Stores
	opt     Options
	codes   map[Code]int    // → index in opt.Organs
	address map[string]int  // key of the address → index
	domains map[string]bool // of the addresses
	wake    chan struct{}

	seen   map[string]fileState // of the inbox, at the last look
	unsure bool                 // the outbox may hold files under temporary names
}

var _ delivery.Axis = (*Drop)(nil)

// New returns a Drop over stores.
func New(stores Stores, opt Options) *Drop {
	if opt.Every <= 0 {
		opt.Every = 2 * time.Second
	}
	if opt.MaxBytes <= 0 {
		opt.MaxBytes = 72 << 20
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	d := &Drop{
		stores: stores, opt: opt, codes: map[Code]int{}, address: map[string]int{}, domains: map[string]bool{},
		wake: make(chan struct{}, 1), seen: map[string]fileState{}, unsure: true,
	}
	for i, o := range opt.Organs {
		for _, c := range o.Codes {
			d.codes[c.fold()] = i
		}
		d.address[o.Address.Key()] = i
		d.domains[strings.ToLower(o.Address.Domain)] = true
	}
	return d
}

func (c Code) fold() Code { return Code(strings.ToUpper(strings.TrimSpace(string(c)))) }

// On tells whether there is anything to run.
func (d *Drop) On() bool { return d.opt.Inbox != "" || d.opt.Outbox != "" }

// Serves tells whether a domain is that of organisations reached by edXML.
func (d *Drop) Serves(domain string) bool { return d.domains[strings.ToLower(domain)] }

// Organ gives the code of the organisation that an address stands for.
func (d *Drop) Organ(a mail.Address) (string, bool) {
	base, _ := a.Split()
	i, ok := d.address[base.Key()]
	if !ok {
		return "", false
	}
	return string(d.opt.Organs[i].Codes[0]), true
}

// organ gives what is known of an organisation by any of its codes; of one that
// is not listed only the code.
func (d *Drop) organ(c Code) Organ {
	if i, ok := d.codes[c.fold()]; ok {
		return d.opt.Organs[i]
	}
	return Organ{Codes: []Code{c.fold()}}
}

// code gives the code by which an organisation is known here.
func (o Organ) code() string { return string(o.Codes[0]) }

// Run takes what comes and writes what is to leave, until ctx ends; it returns
// nil then. What is under way lies in the folders and in the database, so that
// a restart goes on where it stopped.
func (d *Drop) Run(ctx context.Context, in Inlet) error {
	if !d.On() {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(d.opt.Every)
	defer tick.Stop()
	for {
		err := errors.Join(d.write(ctx, in), d.take(ctx, in))
		if err != nil && ctx.Err() == nil {
			d.opt.Log.ErrorContext(ctx, "the edXML folders cannot be worked on", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-tick.C:
		}
	}
}

// signal wakes Run up.
func (d *Drop) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}
