package control

import (
	"context"
	"time"

	"vanthu/internal/peer"
)

// Calls about other vanthu servers.
const (
	CallPeerList   = "peer.list"   // None → []Peer
	CallPeerCard   = "peer.card"   // None → PeerCard
	CallPeerAdd    = "peer.add"    // PeerAdd → Peer
	CallPeerRemove = "peer.remove" // Named → None
)

// Peer is another server as people see it.
type Peer struct {
	peer.Card
	Fingerprint string    `json:"fingerprint"` // of the whole card, to be compared by telephone
	Added       time.Time `json:"added"`
}

// PeerCard is our own card.
type PeerCard struct {
	Card        peer.Card `json:"card"`
	Fingerprint string    `json:"fingerprint"`
}

// PeerAdd takes a card in. Hosts, when given, replace those of the card: the
// other server may be reached by another way from here.
type PeerAdd struct {
	Card  peer.Card `json:"card"`
	Hosts []string  `json:"hosts,omitempty"`
}

func shownPeer(p peer.Peer) Peer {
	c := p.Card()
	return Peer{Card: c, Fingerprint: c.Fingerprint(), Added: p.Added}
}

func (s *Service) peerList(context.Context, None, Progress) (any, error) {
	out := []Peer{}
	for _, p := range s.Peers.List() {
		out = append(out, shownPeer(p))
	}
	return out, nil
}

func (s *Service) peerCard(context.Context, None, Progress) (any, error) {
	c := s.Peers.OwnCard()
	return PeerCard{Card: c, Fingerprint: c.Fingerprint()}, nil
}

func (s *Service) peerAdd(ctx context.Context, req PeerAdd, _ Progress) (any, error) {
	if len(req.Hosts) > 0 {
		req.Card.Hosts = req.Hosts
	}
	p, err := s.Peers.Add(ctx, actor(), req.Card, s.Directory.Snapshot().IsLocal)
	if err != nil {
		return nil, err
	}
	return shownPeer(p), nil
}

func (s *Service) peerRemove(ctx context.Context, req Named, _ Progress) (any, error) {
	return None{}, s.Peers.Remove(ctx, actor(), peer.Name(req.Name))
}
