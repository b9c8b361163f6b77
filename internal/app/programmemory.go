package app

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// forgetProgram takes the pages of the program file that are mapped but not in
// use out of the process: the start touches nearly all 33 MB of code and
// constants, an idle server few of them. They stay in the system's cache, so
// that using one again costs no reading, and other programs may have their
// place. Only parts that are mapped read-only and hold nothing but what the
// file holds are touched.
func forgetProgram() error {
	file, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("read what is mapped: %w", err)
	}
	parts, err := programParts(bufio.NewScanner(f), file)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	for _, p := range parts {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, p.start, p.end-p.start, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("give back the program's pages: %w", errno)
		}
	}
	return err
}

// mapped is a range of addresses.
type mapped struct{ start, end uintptr }

// programParts finds in smaps (proc(5)) the parts of a file that are mapped
// read-only and of which no page is the process's own.
func programParts(lines *bufio.Scanner, file string) (parts []mapped, err error) {
	var now mapped
	ours := false
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-") && len(fields[1]) == 4:
			_, err := fmt.Sscanf(fields[0], "%x-%x", &now.start, &now.end)
			ours = err == nil && len(fields) == 6 && fields[5] == file && fields[1][0] == 'r' && fields[1][1] == '-' && fields[1][3] == 'p'
		case ours && len(fields) >= 2 && fields[0] == "Anonymous:":
			if fields[1] == "0" {
				parts = append(parts, now)
			}
			ours = false
		}
	}
	return parts, lines.Err()
}
