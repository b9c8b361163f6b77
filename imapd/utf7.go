package imapd

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// errUTF7 says that a mailbox name is not modified UTF-7.
var errUTF7 = errors.New("mailbox name is not valid modified UTF-7")

// mutf7 is base64 with "," for "/" and without padding; trailing bits must be zero.
var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding).Strict()

// decodeUTF7 turns a name in modified UTF-7 (RFC 3501, section 5.1.3) into UTF-8. Only the one canonical form of a name is taken: no
// printable ASCII in base64, no unpaired surrogate, no empty or doubled shift, no octet beyond ASCII.
func decodeUTF7(s string) (string, error) {
	var b strings.Builder
	wasShift := false
	for i := 0; i < len(s); {
		ch := s[i]
		if ch < 0x20 || ch > 0x7e {
			return "", errUTF7
		}
		if ch != '&' {
			b.WriteByte(ch)
			wasShift = false
			i++
			continue
		}
		end := strings.IndexByte(s[i:], '-')
		if end < 0 {
			return "", errUTF7
		}
		piece := s[i+1 : i+end]
		i += end + 1
		if piece == "" {
			b.WriteByte('&')
			wasShift = false
			continue
		}
		if wasShift { // two shifts in a row have a shorter form
			return "", errUTF7
		}
		wasShift = true
		if err := decodeShift(&b, piece); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

func decodeShift(b *strings.Builder, piece string) error {
	raw, err := mutf7.DecodeString(piece)
	if err != nil || len(raw)%2 != 0 {
		return errUTF7
	}
	for i := 0; i < len(raw); i += 2 {
		r := rune(raw[i])<<8 | rune(raw[i+1])
		if utf16.IsSurrogate(r) {
			if i+3 >= len(raw) {
				return errUTF7
			}
			i += 2
			if r = utf16.DecodeRune(r, rune(raw[i])<<8|rune(raw[i+1])); r == utf8.RuneError {
				return errUTF7
			}
		} else if r >= 0x20 && r <= 0x7e {
			return errUTF7
		}
		b.WriteRune(r)
	}
	return nil
}

// encodeUTF7 gives a name in modified UTF-7.
func encodeUTF7(name string) []byte {
	var dst, shift []byte
	flush := func() {
		if len(shift) > 0 {
			dst = append(dst, '&')
			dst = mutf7.AppendEncode(dst, shift)
			dst = append(dst, '-')
			shift = shift[:0]
		}
	}
	for _, r := range name {
		switch {
		case r == '&':
			flush()
			dst = append(dst, '&', '-')
		case r >= 0x20 && r <= 0x7e:
			flush()
			dst = append(dst, byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				shift = append(shift, byte(u>>8), byte(u))
			}
		}
	}
	flush()
	return dst
}
