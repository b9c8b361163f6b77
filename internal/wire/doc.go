// Package wire is the connection under both protocol servers: smtpd and imapd put their layers on a Conn and hand those to the
// library above as a net.Conn.
//
// A Conn owns everything that has to do with octets and time, so that neither the layers nor the libraries need to:
//
//   - input: lines and blocks out of one buffer that is 256 octets while the connection is idle and pooled (16 KiB, 64 KiB in bulk)
//     only while something is coming in;
//   - output: collected, and written when the reader is about to wait, at 32 KiB, or on Flush: one system call per answer;
//   - time: deadlines by progress (Pace): idle time, minimum rate, total. The library's own SetDeadline calls do nothing;
//   - transports: the Conn stays the same object while TLS or compression is put between it and the socket.
//
// A Listener limits connections through a Gate, which several listeners may share, keeps a registry of what is open, and ends all of it
// in an orderly way on Shutdown.
package wire
