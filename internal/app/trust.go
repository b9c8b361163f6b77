package app

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"vanthu/config"
	"vanthu/internal/delivery"
	"vanthu/internal/directory"
	"vanthu/internal/filter"
	"vanthu/internal/journal"
	"vanthu/internal/mail"
	"vanthu/internal/mailauth"
)

// screen translates what messages go through from the configuration.
func (r *Rooms) screen() delivery.Screen {
	cfg := r.Config
	s := delivery.Screen{
		Forged: action(cfg.Trust.Forged), Authorless: action(cfg.Trust.Authorless), HoldTime: cfg.Filters.HoldTime.Std(),
		SizeByRole: map[directory.Role]int64{},
	}
	if cfg.Trust.Sign {
		s.Keys = r.Keys
	}
	if cfg.Trust.Verify {
		s.Verifier = mailauth.NewVerifier(r.Keys, dns(cfg.Trust.DNS))
	}
	if cfg.Filters.Attachments {
		s.Attachments = filter.NewAttachments(filter.Rules{
			Allow: cfg.Filters.Allow, Hold: cfg.Filters.Hold, Risky: action(cfg.Filters.Risky),
		}, "")
	}
	for _, l := range cfg.Filters.SizeByRole {
		s.SizeByRole[directory.Role(l.Role)] = int64(l.Size)
	}
	for _, m := range cfg.Filters.Milters {
		opt := filter.MilterOptions{
			Name: m.Name, Network: m.Network, Address: m.Address, Timeout: m.Timeout.Std(), Failure: filter.FailurePolicy(m.Failure),
		}
		for _, f := range m.From {
			opt.Services = append(opt.Services, filter.Service(f))
		}
		s.Milters = append(s.Milters, filter.NewMilter(opt))
	}
	return s
}

func action(v config.Verdict) filter.Action {
	switch v {
	case config.Refuse:
		return filter.Refuse
	case config.Hold:
		return filter.Hold
	case config.Accept:
	}
	return filter.Pass
}

// dns gives the resolver that the configuration names, nil for none.
func dns(name string) mailauth.Resolver {
	switch name {
	case "", "off":
		return nil
	case "system":
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: 5 * time.Second}
		return d.DialContext(ctx, network, name)
	}}
}

// ensureKeys makes keys to sign with for every domain of ours that does not lie
// in another one.
func (r *Rooms) ensureKeys(ctx context.Context) error {
	if !r.Config.Trust.Sign {
		return nil
	}
	domains := slices.Clone(r.Directory.Snapshot().Domains())
	slices.SortStableFunc(domains, func(a, b string) int { return strings.Count(a, ".") - strings.Count(b, ".") })
	for _, d := range domains {
		if err := r.Keys.Ensure(ctx, journal.System("config"), mailauth.Domain(d)); err != nil {
			return err
		}
	}
	return nil
}

// withoutReturnPath gives a stored message as it goes to another server: only
// final delivery has that field, and it would tell of a sender's aliases.
// RFC 5321, section 4.4.
func withoutReturnPath(r io.ReaderAt, prefix []byte, size int64) *io.SectionReader {
	skip := int64(0)
	if fields := mail.ParseHeader(prefix); len(fields) > 0 && fields[0].Name == "Return-Path" {
		skip = fields[0].Len
	}
	return io.NewSectionReader(r, skip, size-skip)
}
