package transport

import (
	"context"
	"sync"
	"time"
)

// Probed is how one next server answered.
type Probed struct {
	Name  string        // of the peer, or the domain of the route
	Host  string        // host:port; "MX" for a route by MX records, whose servers depend on the recipient
	Asked bool          // false: there is no single server to ask
	TLS   bool          // TLS is up and the certificate was checked
	Took  time.Duration // to greet, to switch to TLS and to log in
	Err   error         // nil: it would take mail
}

// Probe connects to every server of every peer and route as a message would:
// it greets, switches to TLS, checks the certificate, logs in and says goodbye.
// No mail is named, and nothing is noted about the destinations.
func (r *Runner) Probe(ctx context.Context) []Probed {
	var list []Probed
	var hosts []Route
	add := func(name string, rt Route) {
		p := Probed{Name: name, Host: "MX"}
		if rt.Host != "" {
			p.Host, p.Asked = rt.addr(), true
		}
		list, hosts = append(list, p), append(hosts, rt)
	}
	if r.opt.Peers != nil {
		for _, p := range r.opt.Peers.List() {
			for _, h := range r.peerWay(p).hosts {
				add(string(p.Name), h)
			}
		}
	}
	for _, rt := range r.opt.Routes {
		add(rt.Domain, rt)
	}
	var all sync.WaitGroup
	free := make(chan struct{}, r.opt.Workers)
	for i := range list {
		if !list[i].Asked {
			continue
		}
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			began := time.Now()
			c, err := r.connect(ctx, hosts[i])
			list[i].Took, list[i].Err = time.Since(began), err
			if err == nil {
				list[i].TLS = c.tls
				r.quit(c)
			}
		})
	}
	all.Wait()
	return list
}
