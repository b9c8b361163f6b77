package app

import (
	"fmt"

	"vanthu/internal/edxdrop"
	"vanthu/internal/mail"
)

// edxml makes the exchange by edXML files.
func (r *Rooms) edxml() (*edxdrop.Drop, error) {
	cfg := r.Config
	opt := edxdrop.Options{
		Inbox: cfg.EdXML.Inbox, Outbox: cfg.EdXML.Outbox, Hostname: Hostname(cfg), Every: cfg.EdXML.Poll.Std(),
		Now: r.opt.Now, Log: r.opt.Log,
	}
	if len(cfg.Domains) > 0 {
		opt.Author = mail.Address{Local: "postmaster", Domain: string(cfg.Domains[0])}
	}
	for _, o := range cfg.EdXML.Organs {
		a, err := mail.ParseAddress(o.Address, true)
		if err != nil {
			return nil, fmt.Errorf("address of %s: %w", o.Name, err)
		}
		organ := edxdrop.Organ{Address: a, Name: o.Name}
		for _, c := range o.Codes {
			organ.Codes = append(organ.Codes, edxdrop.Code(c))
		}
		opt.Organs = append(opt.Organs, organ)
	}
	return edxdrop.New(edxdrop.Stores{DB: r.DB, Directory: r.Directory, Mail: r.Mail}, opt), nil
}

// inlet is where what comes by edXML goes to.
func (r *Rooms) inlet() edxdrop.Inlet {
	return edxdrop.Inlet{Delivery: r.Delivery, Documents: r.Documents, Reported: r.Workflow.Reported}
}
