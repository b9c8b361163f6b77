//go:build race

package main

import (
	"os/exec"

	"vanthu/internal/extract"
)

// With the race detector in it the PDF engine takes minutes to compile, and
// there is nothing of ours in it to watch.
var fileReader func(extract.Worker) *exec.Cmd
