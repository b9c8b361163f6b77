package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"vanthu/internal/fault"
)

// maxRequest bounds a request; the largest is an account file of 100,000 rows.
const maxRequest = 32 << 20

// Server answers calls on the Unix socket.
type Server struct {
	service *Service
	http    *http.Server
	listen  net.Listener
	folder  *os.File // the name of listen goes through it; may be nil
	log     *slog.Logger
}

// Listen opens the socket in dir, for its owner only. The caller holds the
// lock of the data folder, so a socket that is there was left by a dead server.
func Listen(ctx context.Context, dir string, s *Service, log *slog.Logger) (_ *Server, err error) {
	path, folder, err := socketPath(dir)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeFolder(folder))
		}
	}()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old control socket: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect the control socket: %w", err), l.Close())
	}
	srv := &Server{service: s, listen: l, folder: folder, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/{name}", srv.serve)
	srv.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	return srv, nil
}

// Run answers until ctx ends, then lets calls under way finish for up to 10 s.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, closeFolder(s.folder)) }()
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listen) }()
	select {
	case err := <-failed:
		return fmt.Errorf("control socket: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = s.http.Shutdown(stop)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	enc := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	send := func(f frame) {
		if err := enc.Encode(f); err != nil {
			s.log.Debug("control client went away", "err", err)
			return
		}
		if fl, ok := w.(http.Flusher); ok {
			fl.Flush()
		}
	}
	if err != nil {
		send(frame{Error: toWire(fault.Wrap(fault.Invalid, err, fault.Text{EN: "the request is too large"}))})
		return
	}
	last := time.Now()
	out, err := s.service.dispatch(r.Context(), r.PathValue("name"), raw, func(done, total int) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond || done == total {
			last = now
			send(frame{Done: done, Total: total})
		}
	})
	if err != nil {
		send(frame{Error: toWire(err)})
		return
	}
	send(frame{Result: out})
}

// Client calls the server that holds a data folder.
type Client struct{ http *http.Client }

// Dial looks for a running server. ok is false when none listens in dir.
func Dial(ctx context.Context, dir string) (c *Client, ok bool, err error) {
	path, folder, err := socketPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reach the running server: %w", err)
	}
	defer func() {
		if !ok {
			err = errors.Join(err, closeFolder(folder))
		}
	}()
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), isRefused(err):
		return nil, false, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, false, fault.Wrap(fault.Denied, err, fault.Text{
			EN: "a server runs, but you may not control it: use the account that it runs as, or root"})
	case err != nil:
		return nil, false, fmt.Errorf("reach the running server: %w", err)
	}
	if err := conn.Close(); err != nil {
		return nil, false, err
	}
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			defer runtime.KeepAlive(folder) // path may go through it
			return dialer.DialContext(ctx, "unix", path)
		},
	}}}, true, nil
}

// isRefused tells a socket file without a listener: its server was killed.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Call implements [Caller] through the socket.
func (c *Client) Call(ctx context.Context, name string, req, resp any, progress Progress) (err error) {
	raw, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode request of %s: %w", name, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://vanthu/v1/"+name, strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	res, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("call the running server: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	dec := json.NewDecoder(res.Body)
	for {
		var f frame
		switch err := dec.Decode(&f); {
		case err != nil:
			return fmt.Errorf("the server ended before it answered %s: %w", name, err)
		case f.Error != nil:
			return f.Error.err()
		case f.Result != nil:
			if resp == nil {
				return nil
			}
			return json.Unmarshal(f.Result, resp)
		case progress != nil:
			progress(f.Done, f.Total)
		}
	}
}

var (
	_ Caller = (*Client)(nil)
	_ Caller = (*Service)(nil)
)
