package control

import "context"

// CallProbe asks every peer and route whether it would take mail: None → []Probed.
const CallProbe = "transport.probe"

// Probed is how one next server answered.
type Probed struct {
	Name    string `json:"name"` // of the peer, or the domain of the route
	Host    string `json:"host"` // "MX" for a route by MX records, which has no server of its own
	Asked   bool   `json:"asked"`
	OK      bool   `json:"ok"`
	TLS     bool   `json:"tls"` // checked
	Millis  int64  `json:"ms"`
	Problem string `json:"problem,omitempty"`
}

func (s *Service) probe(ctx context.Context, _ None, _ Progress) (any, error) {
	list := s.Transport.Probe(ctx)
	out := make([]Probed, len(list))
	for i, p := range list {
		out[i] = Probed{Name: p.Name, Host: p.Host, Asked: p.Asked, OK: p.Asked && p.Err == nil, TLS: p.TLS, Millis: p.Took.Milliseconds()}
		if p.Err != nil {
			out[i].Problem = p.Err.Error()
		}
	}
	return out, nil
}
