package delivery

import (
	"bytes"
	"strings"
	"time"

	"vanthu/internal/worktime"
)

// trace makes the fields that we put before the received octets. RFC 5321,
// section 4.4.
//
// The results of our checks stand above our Received field, our signatures and
// what filters added below it: all of it was there when we stored the message.
func (in *Incoming) trace(now time.Time, doc *document) []byte {
	if in.prefix != nil { // it came before, and was held
		b := bytes.Clone(in.prefix)
		if doc != nil {
			b = doc.appendTrace(b)
		}
		return b
	}
	b := make([]byte, 0, 512+len(in.authentic)+len(in.signature))
	b = append(b, "Return-Path: <"...)
	if !in.env.From.Null {
		b = append(b, in.env.From.Address.String()...)
	}
	b = append(b, ">\r\n"...)
	b = append(b, in.authentic...)
	b = append(b, "Received: from "...)
	helo := in.origin.Helo
	if helo == "" {
		helo = "unknown"
	}
	b = append(b, helo...)
	if in.origin.Package == nil {
		b = append(b, " (["...)
		ip := in.origin.Remote.Addr().Unmap()
		if ip.Is6() {
			b = append(b, "IPv6:"...)
		}
		b = append(b, ip.String()...)
		b = append(b, "])"...)
	}
	b = append(b, "\r\n\tby "...)
	b = append(b, in.d.opt.Hostname...)
	b = append(b, " with "...)
	b = append(b, in.origin.Protocol...)
	if in.env.UTF8 && !strings.HasPrefix(in.origin.Protocol, "UTF8") {
		b = append(b, " (UTF8)"...)
	}
	b = append(b, " id "...)
	b = append(b, in.id...)
	if in.origin.TLS != "" {
		b = append(b, "\r\n\t("...)
		b = append(b, in.origin.TLS...)
		b = append(b, ')')
	}
	b = append(b, ";\r\n\t"...)
	b = now.In(vietnam).AppendFormat(b, time.RFC1123Z)
	b = append(b, "\r\n"...)
	for _, f := range in.added {
		b = append(b, f.Name+":"+f.Value+"\r\n"...)
	}
	b = append(b, in.signature...)
	if doc != nil {
		b = doc.appendTrace(b)
	}
	return b
}

// vietnam is the product's zone: Việt Nam has had +07:00 without summer time
// since 1975.
var vietnam = worktime.Zone
