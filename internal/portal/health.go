package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vanthu/internal/fault"
)

// Check asks one component whether it can work now. Probe must be safe for
// concurrent use and heed ctx, which ends after 2 seconds.
type Check struct {
	Name  string
	Probe func(ctx context.Context) error
}

const (
	probeTimeout = 2 * time.Second
	// readyFor is how long an answer of the checks holds, so that a stranger
	// who asks often cannot make the disk busy.
	readyFor = time.Second
)

// readiness is the last answer of the checks.
type readiness struct {
	mu    sync.Mutex
	at    time.Time
	state state
}

type state struct {
	Status     string               `json:"status"` // ok, failing
	Components map[string]component `json:"components,omitempty"`
}

type component struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"` // a sentence for a person, without internals
}

// healthz tells that the process answers.
func (p *Portal) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	answer(w, "application/json", []byte("{\"status\":\"ok\"}\n"))
}

// readyz tells whether every component can work: 200 when all can, else 503.
// Which one cannot is told to trusted peers only.
func (p *Portal) readyz(w http.ResponseWriter, r *http.Request) {
	s := p.probe(r.Context())
	if !p.trusted(r) {
		s.Components = nil
	}
	body, err := json.Marshal(s)
	if err != nil {
		p.problem(w, r, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if s.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	w.Write(append(body, '\n')) //nolint:errcheck // the client has gone; there is nobody to tell
}

// probe runs all checks at once, or gives their last answer when it is fresh.
func (p *Portal) probe(ctx context.Context) state {
	p.ready.mu.Lock()
	defer p.ready.mu.Unlock()
	if now := p.opt.Now(); !p.ready.at.IsZero() && now.Sub(p.ready.at) < readyFor {
		return p.ready.state
	}
	// One client's hang-up must not become everybody's answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	errs := make([]error, len(p.opt.Checks))
	var wg sync.WaitGroup
	for i, check := range p.opt.Checks {
		wg.Go(func() { errs[i] = check.Probe(ctx) })
	}
	wg.Wait()
	s := state{Status: "ok", Components: make(map[string]component, len(errs))}
	for i, check := range p.opt.Checks {
		c := component{Status: "ok"}
		if err := errs[i]; err != nil {
			c = component{Status: "failing", Reason: fault.Sentence(err).EN}
			s.Status = "failing"
			p.opt.Log.Warn("component is not ready", "component", check.Name, "err", err)
		}
		s.Components[check.Name] = c
	}
	p.ready.at, p.ready.state = p.opt.Now(), s
	return s
}

// metrics serves the registry to trusted peers; to others there is nothing.
func (p *Portal) metrics() http.HandlerFunc {
	if p.opt.Registry == nil {
		return p.fallback
	}
	h := promhttp.HandlerFor(p.opt.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
	return func(w http.ResponseWriter, r *http.Request) {
		if !p.trusted(r) {
			p.fallback(w, r)
			return
		}
		h.ServeHTTP(w, r)
	}
}

// counter counts answers by route and status.
type counter struct{ requests *prometheus.CounterVec }

// newCounter registers with registry, which may be nil.
func newCounter(registry *prometheus.Registry) (counter, error) {
	c := counter{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vanthu_http_requests_total",
		Help: "Answers of the web part by route and status.",
	}, []string{"route", "code"})}
	if registry == nil {
		return c, nil
	}
	return c, registry.Register(c.requests)
}

func (c counter) wrap(route string, h http.Handler) http.Handler {
	return promhttp.InstrumentHandlerCounter(c.requests.MustCurryWith(prometheus.Labels{"route": route}), h)
}
