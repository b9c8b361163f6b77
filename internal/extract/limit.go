//go:build !race

package extract

const childData = 1 << 30 // octets of private memory that a child may have
