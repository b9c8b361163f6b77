package delivery

import (
	"strings"
	"time"
)

// trace makes the fields that we put before the received octets. RFC 5321,
// section 4.4.
func (in *Incoming) trace(now time.Time, doc *document) []byte {
	b := make([]byte, 0, 512)
	b = append(b, "Return-Path: <"...)
	if !in.env.From.Null {
		b = append(b, in.env.From.Address.String()...)
	}
	b = append(b, ">\r\nReceived: from "...)
	helo := in.origin.Helo
	if helo == "" {
		helo = "unknown"
	}
	b = append(b, helo...)
	b = append(b, " (["...)
	ip := in.origin.Remote.Addr().Unmap()
	if ip.Is6() {
		b = append(b, "IPv6:"...)
	}
	b = append(b, ip.String()...)
	b = append(b, "])\r\n\tby "...)
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
	if doc != nil {
		b = doc.appendTrace(b)
	}
	return b
}

// vietnam is the product's zone: Việt Nam has had +07:00 without summer time
// since 1975.
var vietnam = time.FixedZone("+07:00", 7*60*60)
