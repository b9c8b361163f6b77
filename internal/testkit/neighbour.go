package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vanthu/config"
	"vanthu/internal/app"
	"vanthu/internal/control"
	"vanthu/internal/peer"
)

// NeighbourDomain is the domain of the second province.
const NeighbourDomain = "laichau.test"

// NeighbourLogin gives the login of a unit's clerk there; its units are xa01
// and xa02.
func NeighbourLogin(unit string) string { return "vanthu@" + unit + "." + NeighbourDomain }

// neighbourConfig is the configuration of the second province: all services
// on one address, port 0 for those that the system may choose.
func neighbourConfig(dir string, at func(port int) config.Listen) *config.Config {
	cfg := config.Default()
	cfg.DataDir = dir
	cfg.Domains = []config.Domain{NeighbourDomain, "xa01." + NeighbourDomain, "xa02." + NeighbourDomain}
	cfg.Server = config.Server{Hostname: "mail." + NeighbourDomain, Organisation: "Tỉnh bên cạnh"}
	cfg.SMTP.Relay, cfg.SMTP.Submission, cfg.SMTP.Submissions, cfg.SMTP.LMTP = at(25), at(587), at(465), ""
	cfg.IMAP.IMAP, cfg.IMAP.IMAPS, cfg.HTTP.HTTP, cfg.HTTP.HTTPS = at(143), at(993), "", ""
	cfg.Limits.ConnectionsPerAddress, cfg.SMTP.RelayConnectionsPerAddress, cfg.IMAP.SessionsPerAccount = 10_000, 10_000, 1000
	cfg.Limits.MinFree = 0
	cfg.Limits.MessagesPerHour, cfg.Limits.RecipientsPerHour, cfg.Limits.RecipientsPerDay = 0, 0, 0
	cfg.Limits.ClerkMessagesPerHour, cfg.Limits.ClerkRecipientsPerHour, cfg.Limits.ClerkRecipientsPerDay = 0, 0, 0
	cfg.Documents.TrackingInterval = config.Duration(time.Second)
	return cfg
}

// makeNeighbour adds the units and accounts of the second province.
func makeNeighbour(ctx context.Context, svc control.Caller) (passwords map[string]string, err error) {
	var csv strings.Builder
	csv.WriteString("login,name,unit,roles,password\n")
	for i, u := range []string{"xa01", "xa02"} {
		code := fmt.Sprintf("H35.%d", i+1)
		if err := svc.Call(ctx, control.CallUnitAdd, control.UnitAdd{
			Code: code, Name: "Ủy ban nhân dân " + u, ShortName: strings.ToUpper(u), Kind: "xã", Address: u + "@" + NeighbourDomain,
		}, nil, nil); err != nil {
			return nil, err
		}
		fmt.Fprintf(&csv, "%s,Văn thư %s,%s,vanthu,\n", NeighbourLogin(u), u, code)
	}
	fmt.Fprintf(&csv, "quantri@%s,Quản trị,,quantri,\n", NeighbourDomain)
	var res control.AccountImported
	if err := svc.Call(ctx, control.CallAccountImport, control.AccountImport{CSV: csv.String()}, &res, nil); err != nil {
		return nil, err
	}
	passwords = map[string]string{}
	for _, a := range res.Created {
		passwords[a.Login] = a.Password
	}
	return passwords, nil
}

// StartNeighbour serves the second province in this process until the test
// ends, and makes it and s peers of each other.
func (s *Server) StartNeighbour(t testing.TB) *Server {
	t.Helper()
	n := s.StartStranger(t, func(*config.Config) {})
	s.AddPeer(t, n.Rooms.Peers.OwnCard(), n.Addr.Relay)
	n.AddPeer(t, s.Rooms.Peers.OwnCard(), s.Addr.Relay)
	return n
}

// StartStranger serves the second province in this process until the test ends;
// change alters its configuration. Neither knows of the other.
func (s *Server) StartStranger(t testing.TB, change func(*config.Config)) *Server {
	t.Helper()
	free := func(int) config.Listen { return "127.0.0.1:0" }
	n := &Server{Config: neighbourConfig(filepath.Join(t.TempDir(), "data"), free), log: &logBuffer{}}
	change(n.Config)
	n.serve(t)
	t.Cleanup(func() {
		n.Stop(t)
		n.verify(t)
	})
	var err error
	if n.passwords, err = makeNeighbour(context.Background(), n.Rooms.Control()); err != nil {
		t.Fatalf("make the neighbour: %v", err)
	}
	return n
}

// AddPeer makes another server a peer, reached at a host.
func (s *Server) AddPeer(t testing.TB, card peer.Card, host string) {
	t.Helper()
	if err := s.Rooms.Control().Call(context.Background(), control.CallPeerAdd, control.PeerAdd{Card: card, Hosts: []string{host}}, nil, nil); err != nil {
		t.Fatalf("add a peer: %v", err)
	}
}

// MakeNeighbour is [MakeProvince] for the second province, and makes it and p
// peers of each other. Neither is served yet.
func (p *Province) MakeNeighbour(t testing.TB) *Province {
	t.Helper()
	dir := t.TempDir()
	base := FreePortBase(t)
	n := &Province{File: filepath.Join(dir, "vanthu.toml")}
	n.Config = neighbourConfig(filepath.Join(dir, "data"), func(port int) config.Listen {
		return config.Listen("127.0.0.1:" + strconv.Itoa(base+port))
	})
	if err := os.WriteFile(n.File, config.Format(n.Config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	ours, err := app.Open(ctx, p.Config, app.Options{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := app.Open(ctx, n.Config, app.Options{Version: "test"})
	if err != nil {
		t.Fatal(errors.Join(err, ours.Close()))
	}
	err = theirs.EnsureDomains(ctx)
	if err == nil {
		n.Passwords, err = makeNeighbour(ctx, theirs.Control())
	}
	if err == nil {
		err = ours.Control().Call(ctx, control.CallPeerAdd, control.PeerAdd{Card: theirs.Peers.OwnCard()}, nil, nil)
	}
	if err == nil {
		err = theirs.Control().Call(ctx, control.CallPeerAdd, control.PeerAdd{Card: ours.Peers.OwnCard()}, nil, nil)
	}
	if err := errors.Join(err, ours.Close(), theirs.Close()); err != nil {
		t.Fatal(err)
	}
	return n
}

// PeerKey gives the key that a server signs statuses with.
func (s *Server) PeerKey() (peer.Signer, error) {
	text, err := os.ReadFile(filepath.Join(s.Config.DataDir, "peer.key"))
	if err != nil {
		return nil, err
	}
	return peer.ParseSigner(text)
}
