//go:build linux && !amd64 && !arm64

package extract

const auditArch = 0

var deniedHere []uint32
