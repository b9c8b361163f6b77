package control_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vanthu/internal/control"
)

// TestLongFolder serves in a folder whose name alone is longer than the
// address of a Unix socket.
func TestLongFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("thư-mục-dài-", 10))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := control.Dial(t.Context(), dir); ok || err != nil {
		t.Fatalf("Dial without a server = %v, %v; want false, nil", ok, err)
	}
	srv, err := control.Listen(t.Context(), dir, newService(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	c, ok, err := control.Dial(t.Context(), dir)
	if !ok || err != nil {
		t.Fatalf("Dial = %v, %v; want true, nil", ok, err)
	}
	for range 2 { // each call connects anew
		var s control.Status
		if err := c.Call(t.Context(), control.CallStatus, control.None{}, &s, nil); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, control.Socket)); !os.IsNotExist(err) {
		t.Errorf("the socket stays behind: %v", err)
	}
}
