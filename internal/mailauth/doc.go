// Package mailauth says whether a message is from whom it claims to be: it
// signs what our people send (DKIM, RFC 6376 and 8463) and checks what other
// servers bring (DKIM; SPF, RFC 7208 and DMARC, RFC 7489 where DNS is used).
//
// Networks without DNS are the usual case here: the keys of our own domains
// and those that an administrator trusts lie in table dkim_key, which this
// package owns, and are asked before DNS. Nothing in here changes a message:
// signatures and results are header fields that go before the received octets.
package mailauth
