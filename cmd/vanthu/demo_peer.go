package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/app"
	"vanthu/internal/control"
	"vanthu/internal/mail"
)

// neighbour is a second training province on a server of its own, in the
// folder "peer" of the demo and on ports that are peerPorts higher.
type neighbour struct {
	cfg      *config.Config
	rooms    *app.Rooms
	addr     app.Addresses
	tls      *tls.Config
	password string
}

const (
	neighbourDomain = "laichau.test"
	neighbourUnit   = "xa01"
	neighbourLogin  = "vanthu@" + neighbourUnit + "." + neighbourDomain
	peerFolder      = "peer"
	peerPorts       = 10_000
	peerCode        = "125/QĐ-UBND"
	peerSubject     = "[125/QĐ-UBND] V/v phối hợp giữa hai tỉnh"
	peerAddress     = neighbourUnit + "@" + neighbourDomain
)

// serveNeighbour serves the second province around body.
func (c *cli) serveNeighbour(ctx context.Context, o demoOptions, body func(ctx context.Context, n *neighbour) error) error {
	dir := filepath.Join(o.dir, peerFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	o.dir, o.base = dir, o.base+peerPorts
	cfg, err := demoConfig(o, func(cfg *config.Config) {
		cfg.Domains = []config.Domain{neighbourDomain, neighbourUnit + "." + neighbourDomain}
		cfg.Server = config.Server{Hostname: "mail." + neighbourDomain, Organisation: "Tỉnh Lai Châu (đào tạo)"}
	})
	if err != nil {
		return err
	}
	opt := app.Options{Version: version, Log: c.demoLog(dir)}
	return serve(ctx, cfg, opt, func(ctx context.Context, s *app.Server, rooms *app.Rooms) error {
		return body(ctx, &neighbour{cfg: cfg, rooms: rooms, addr: s.Addresses()})
	})
}

// prepare adds one commune with its clerk, and makes both servers peers, as
// two administrators do with each other's cards.
func (n *neighbour) prepare(ctx context.Context, d *demo) error {
	svc := n.rooms.Control()
	if err := svc.Call(ctx, control.CallUnitAdd, control.UnitAdd{
		Code: "H35.101", Name: "Ủy ban nhân dân xã số 01, tỉnh bên", ShortName: "XA01", Kind: "xã", Address: peerAddress,
	}, nil, nil); err != nil {
		return err
	}
	made, err := importAccounts(ctx, svc, "login,name,unit,roles,password\n"+
		neighbourLogin+",Văn thư XA01 tỉnh bên,H35.101,vanthu,\nquantri@"+neighbourDomain+",Quản trị hệ thống,,quantri,\n")
	if err != nil {
		return err
	}
	n.password = made[neighbourLogin]
	ca, err := os.ReadFile(app.AuthorityFile(n.cfg))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("the certificate of the second province's authority cannot be read")
	}
	n.tls = &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	if err := introduce(ctx, d.rooms, n.rooms); err != nil {
		return err
	}
	return introduce(ctx, n.rooms, d.rooms)
}

// introduce gives one server's card to the other.
func introduce(ctx context.Context, who, to *app.Rooms) error {
	var own control.PeerCard
	if err := who.Control().Call(ctx, control.CallPeerCard, control.None{}, &own, nil); err != nil {
		return err
	}
	return to.Control().Call(ctx, control.CallPeerAdd, control.PeerAdd{Card: own.Card}, nil, nil)
}

func (d *demo) peerSteps() []step {
	return []step{
		{text{
			"Văn thư UBND tỉnh gửi văn bản \"" + peerCode + "\" tới một xã của tỉnh khác (" + peerAddress + "),\n      trên một máy chủ vanthu khác: TLS hai chiều, chứng thư đã ghim.",
			"The clerk sends document \"" + peerCode + "\" to a commune of another province (" + peerAddress + "),\n      on another vanthu server: mutual TLS with pinned certificates.",
		}, d.sendAcross},
		{text{
			"Văn thư xã bên kia kéo thư vào \"2 Đã vào sổ\", rồi \"5 Hoàn thành\".",
			"The clerk over there drags the mail to \"2 Đã vào sổ\", then to \"5 Hoàn thành\".",
		}, d.workAcross},
		{text{
			"Thư theo dõi ở bên gửi cho biết bên nhận đã làm gì.",
			"The tracking message on the sender's side tells what was done over there.",
		}, d.trackedAcross},
	}
}

// across waits until the dispatch to the other province has a status, and gives it.
func (d *demo) across(ctx context.Context, want docstore.State) (x docstore.DispatchView, err error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		var v docstore.View
		if err := d.rooms.Control().Call(ctx, control.CallDocumentShow, control.DocumentNamed{Code: peerCode}, &v, nil); err != nil {
			return x, err
		}
		for _, x = range v.Dispatches {
			if x.Unit == peerAddress && x.State == want {
				return x, nil
			}
		}
		select {
		case <-ctx.Done():
			return x, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return x, fmt.Errorf("the dispatch to %s is in state %s, not %s", peerAddress, x.State, want)
}

func (d *demo) sendAcross(ctx context.Context) (text, error) {
	reply, err := d.submit(d.mailTo(peerSubject, peerAddress), peerAddress)
	if err != nil {
		return text{}, err
	}
	if _, err := d.across(ctx, docstore.StateArrived); err != nil {
		return text{}, err
	}
	return text{
		reply + "; máy chủ bên kia đã báo về mã 01 (đã đến), có chữ ký",
		reply + "; the other server has reported code 01 (arrived), signed",
	}, nil
}

// drag moves the one message of a folder of the commune over there.
func (n *neighbour) drag(from, to string) (err error) {
	c, err := dialIMAPS(n.addr.IMAPS, n.tls)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.login(neighbourLogin, n.password); err != nil {
		return err
	}
	const unit = "Đơn vị/XA01/"
	uids, err := c.uids(unit + from)
	if err != nil {
		return err
	}
	if len(uids) != 1 {
		return fmt.Errorf("%d messages in %s over there, want 1", len(uids), from)
	}
	return c.move(uids[0], unit+to)
}

func (d *demo) workAcross(ctx context.Context) (text, error) {
	if err := d.neighbour.drag(folderWaiting, folderRegistered); err != nil {
		return text{}, err
	}
	x, err := d.across(ctx, docstore.StateRegistered)
	if err != nil {
		return text{}, err
	}
	if x.Status != "03" || x.ArrivalNumber != 1 {
		return text{}, fmt.Errorf("status %s, số đến %d; want 03, 1", x.Status, x.ArrivalNumber)
	}
	if err := d.neighbour.drag(folderRegistered, folderCompleted); err != nil {
		return text{}, err
	}
	if x, err = d.across(ctx, docstore.StateCompleted); err != nil {
		return text{}, err
	}
	if x.Status != "06" {
		return text{}, fmt.Errorf("status %s, want 06", x.Status)
	}
	return text{"mã 03 (số đến 1 của bên nhận) rồi mã 06 về tới bên gửi", "code 03 (their arrival number 1), then code 06, have reached the sender's side"}, nil
}

func (d *demo) trackedAcross(ctx context.Context) (text, error) {
	subject, err := d.tracking(ctx, "[Theo dõi "+peerCode+"]", "1/1")
	if err != nil {
		return text{}, err
	}
	return text{"\"" + subject + "\"", "\"" + subject + "\""}, nil
}

// tracking waits until the tracking message whose subject begins so also says want.
func (d *demo) tracking(ctx context.Context, begins, want string) (subject string, err error) {
	u := demoUnitNamed("ubnd")
	c, err := d.open(u.login("vanthu"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		uids, err := c.uids(shared(u, folderTracking))
		if err != nil {
			return "", err
		}
		for _, uid := range uids {
			body, err := c.body(uid)
			if err != nil {
				return "", err
			}
			scan := mail.NewScanner(mail.Limits{})
			if _, err := scan.Write(body); err != nil {
				return "", err
			}
			s := scan.Finish().Envelope.Subject
			if strings.HasPrefix(s, begins) {
				if subject = s; strings.Contains(s, want) {
					return subject, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("the tracking message says %q, not %s", subject, want)
}
