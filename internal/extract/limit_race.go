//go:build race

package extract

// What the race detector keeps of each octet counts too.
const childData = 12 << 30
