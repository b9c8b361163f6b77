// Command vanthu is internal e-mail and tracked exchange of official
// e-documents for the units of a province, in one program.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set at build time for releases.
var version = "0.1.0-dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})
	stop()
	os.Exit(code)
}
