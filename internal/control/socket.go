package control

import (
	"fmt"
	"os"
	"path/filepath"
)

// maxSocketPath is the longest name that a Unix socket's address has room for.
// unix(7).
const maxSocketPath = 107

// socketPath names the socket in a folder. Where the name is too long, it goes
// through the folder's descriptor, which must stay open as long as the name is
// used; else folder is nil.
func socketPath(dir string) (path string, folder *os.File, err error) {
	path = filepath.Join(dir, Socket)
	if len(path) <= maxSocketPath {
		return path, nil, nil
	}
	if folder, err = os.Open(dir); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), Socket), folder, nil
}

// closeFolder closes what socketPath has opened.
func closeFolder(folder *os.File) error {
	if folder == nil {
		return nil
	}
	return folder.Close()
}
