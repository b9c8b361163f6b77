package app

import (
	"context"
	"net"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vanthu/internal/portal"
	"vanthu/internal/sqldb"
)

// makePortal makes the web part, which tells people the ports that the other
// services have.
func (s *Server) makePortal() error {
	cfg := s.rooms.Config
	ca, err := s.caPEM()
	if err != nil {
		return err
	}
	info := portal.Info{
		Organisation: cfg.Server.Organisation, Hostname: Hostname(cfg), CA: ca,
		Ports: portal.Ports{
			IMAP: port(s.addr.IMAP), IMAPS: port(s.addr.IMAPS),
			Submission: port(s.addr.Submission), Submissions: port(s.addr.Submissions),
			HTTP: port(s.addr.HTTP), HTTPS: port(s.addr.HTTPS),
		},
	}
	for _, d := range cfg.Domains {
		info.Domains = append(info.Domains, string(d))
	}
	for _, n := range cfg.HTTP.PublicNames {
		info.Names = append(info.Names, string(n))
	}
	s.portal, err = portal.New(info, portal.Options{
		Registry: s.metrics(), MetricsAllow: cfg.HTTP.MetricsFrom, Log: s.rooms.opt.Log, Now: s.rooms.opt.Now,
		Checks: []portal.Check{
			{Name: "database", Probe: s.probeDatabase},
			{Name: "disk", Probe: func(context.Context) error {
				return (&diskRoom{dir: cfg.DataDir, least: int64(cfg.Limits.MinFree)}).look()
			}},
		},
	})
	return err
}

func port(addr string) int {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return 0 // the service is off
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		return 0
	}
	return n
}

// probeDatabase checks that the database takes writes: an empty transaction
// waits its turn behind all others.
func (s *Server) probeDatabase(ctx context.Context) error {
	return s.rooms.DB.Update(ctx, func(tx *sqldb.Tx) error {
		var one int
		return tx.QueryRow(ctx, `SELECT 1`).Scan(&one)
	})
}

// counters are the numbers that the status and the metrics show.
func (s *Server) counters() map[string]int64 {
	d, i, m := s.rooms.Delivery.Stats(), s.imap.Stats(), s.smtp.Stats()
	return map[string]int64{
		"messages_accepted":   d.Accepted.Load(),
		"copies_delivered":    d.Copies.Load(),
		"documents":           d.Documents.Load(),
		"dispatches":          d.Dispatches.Load(),
		"recipients_queued":   d.Queued.Load(),
		"messages_refused":    d.Refused.Load(),
		"messages_held":       d.Held.Load(),
		"messages_deferred":   d.Deferred.Load(),
		"imap_logins":         i.Logins.Load(),
		"imap_login_failures": i.LoginFailures.Load(),
		"imap_commands":       i.Commands.Load(),
		"imap_pushes":         i.Pushes.Load(),
		"smtp_connections":    m.Connections.Load(),
		"smtp_login_failures": m.LoginsFailed.Load(),
	}
}

// metrics registers the counters for Prometheus.
func (s *Server) metrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for name := range s.counters() {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: "vanthu", Name: name + "_total", Help: "Number of " + name + " since the start.",
		}, func() float64 { return float64(s.counters()[name]) }))
	}
	return reg
}
