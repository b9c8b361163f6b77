package transport

import (
	"crypto/tls"
	"testing"
)

// Connections are shared by the key of a way: routes that differ in anything a
// server is asked for must not share them.
func TestWaysOfRoutesAreApart(t *testing.T) {
	strict := Route{Domain: "a.example", Host: "relay.example", Port: 25, Mode: TLSStart, TLS: &tls.Config{ServerName: "relay.example", MinVersion: tls.VersionTLS12}}
	loose := Route{Domain: "b.example", Host: "relay.example", Port: 25, Mode: TLSNone}
	if a, b := routeWay(strict, "x.a.example"), routeWay(loose, "x.b.example"); a.key == b.key {
		t.Errorf("both have the key %q", a.key)
	}
	if a, b := routeWay(strict, "x.a.example"), routeWay(strict, "y.a.example"); a.key != b.key {
		t.Errorf("one route has the keys %q and %q", a.key, b.key)
	}
}
