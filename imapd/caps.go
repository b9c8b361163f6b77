package imapd

import (
	"bytes"
	"strconv"

	"github.com/emersion/go-imap/v2"
)

// always lists the capabilities that do not depend on the session, in the order in which they are shown. They are shown before login
// as well: clients such as Python's imaplib ask only once.
const always = "IMAP4rev1 IMAP4rev2 LITERAL- SASL-IR ENABLE ID IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE ESEARCH SEARCHRES " +
	"LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE BINARY UTF8=ACCEPT CONDSTORE QRESYNC " +
	sortCaps +
	"QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTASET ACL RIGHTS=kxte LIST-MYRIGHTS METADATA LIST-METADATA " +
	"MULTIAPPEND CATENATE REPLACE UNAUTHENTICATE INPROGRESS NOTIFY APPENDLIMIT="

// libraryCaps is what imapserver is told; its lists are replaced on their way out, so this only decides what it lets through.
func libraryCaps() imap.CapSet {
	return imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}}
}

// appendCaps writes the capability list as it is for this connection now.
func (c *conn) appendCaps(dst []byte) []byte {
	dst = append(dst, always...)
	dst = strconv.AppendInt(dst, c.srv.opt.AppendLimit, 10)
	if !c.srv.opt.NoCompress && !c.compressed {
		dst = append(dst, " COMPRESS=DEFLATE"...)
	}
	if c.sess.user != nil {
		return dst
	}
	if c.mayStartTLS() {
		dst = append(dst, " STARTTLS"...)
	}
	if c.mayLogin() {
		for _, mech := range c.srv.auth.Offered(c.channel()) {
			dst = append(append(dst, " AUTH="...), mech...)
		}
		return append(dst, " AUTH=PLAIN AUTH=LOGIN"...)
	}
	return append(dst, " LOGINDISABLED"...)
}

// Marks of the three places in which imapserver writes capability lists.
var (
	capsCode   = []byte("[CAPABILITY ")  // in the greeting and in the tagged OK of a login
	capsLine   = []byte("* CAPABILITY ") // the answer to CAPABILITY
	lineBreak  = []byte("\r\n")
	closeBrace = []byte("]")

	enabledLine = []byte("* ENABLED") // the answer to ENABLE
)

// patchCaps replaces the capability list in a line of imapserver, when there is one.
func (c *conn) patchCaps(line []byte) []byte {
	from, end := -1, lineBreak
	if bytes.HasPrefix(line, capsLine) {
		from = len(capsLine)
	} else if i := bytes.Index(line, capsCode); i >= 0 && i <= maxTagLen+len(" PREAUTH ") {
		from, end = i+len(capsCode), closeBrace
	}
	if from < 0 {
		return line
	}
	to := bytes.Index(line[from:], end)
	if to < 0 {
		return line
	}
	out := append([]byte{}, line[:from]...)
	out = c.appendCaps(out)
	return append(out, line[from+to:]...)
}
