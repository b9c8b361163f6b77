package mailstore

import (
	"html"
	"strings"
)

// htmlText gives what a reader sees of HTML: tags, comments, scripts and style
// sheets are left out, entities decoded, blanks made one. Tags of blocks part
// words, those within a line do not: "gi<b>ải</b>" is one word. It tolerates
// anything, in time proportional to its length.
func htmlText(s string) string {
	var b strings.Builder
	b.Grow(len(s) / 2)
	blank := true // what was written last is a blank, or nothing was
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			i = len(s)
		}
		blank = writeHTMLText(&b, s[:i], blank)
		s = s[i:]
		if s == "" {
			break
		}
		name, rest, isTag := cutTag(s)
		switch {
		case !isTag:
			b.WriteByte('<')
			blank = false
		case !inlineTags[name] && !blank:
			b.WriteByte('\n')
			blank = true
		}
		s = rest
	}
	return b.String()
}

// inlineTags stand within a line of text.
var inlineTags = map[string]bool{
	"a": true, "abbr": true, "b": true, "big": true, "cite": true, "code": true, "del": true, "em": true, "font": true, "i": true,
	"ins": true, "kbd": true, "mark": true, "o:p": true, "q": true, "s": true, "samp": true, "small": true, "span": true,
	"strike": true, "strong": true, "sub": true, "sup": true, "tt": true, "u": true, "var": true, "wbr": true, "!--": true,
}

// writeHTMLText writes text between tags.
func writeHTMLText(b *strings.Builder, s string, blank bool) bool {
	if strings.IndexByte(s, '&') >= 0 {
		s = html.UnescapeString(s)
	}
	s = strings.ReplaceAll(s, "\u00a0", " ") // no-break space
	for len(s) > 0 {
		n := strings.IndexAny(s, " \t\r\n\f")
		if n < 0 {
			b.WriteString(s)
			return false
		}
		if n > 0 {
			b.WriteString(s[:n])
			blank = false
		}
		if !blank {
			b.WriteByte(' ')
			blank = true
		}
		s = s[n+1:]
	}
	return blank
}

// cutTag reads the tag, comment or declaration that s begins with, and gives
// its name without "/" and what follows. An element whose content is no text
// goes with its content. It is no tag when nothing that could be a name
// follows the "<".
func cutTag(s string) (name, rest string, ok bool) {
	if strings.HasPrefix(s, "<!--") {
		_, rest, _ = strings.Cut(s[4:], "-->")
		return "!--", rest, true
	}
	at := 1
	closing := at < len(s) && s[at] == '/'
	if closing {
		at++
	}
	begin := at
	for at < len(s) && at-begin < 32 && strings.IndexByte(" \t\r\n\f/><", s[at]) < 0 {
		at++
	}
	name = strings.ToLower(s[begin:at])
	if name == "" || !(name[0] >= 'a' && name[0] <= 'z' || name[0] == '!' || name[0] == '?') {
		return "", s[1:], false
	}
	end := tagEnd(s[at:])
	if end < 0 {
		return name, "", true
	}
	rest = s[at+end+1:]
	if !closing && (name == "script" || name == "style" || name == "title") {
		i := indexClosing(rest, name)
		if i < 0 {
			return name, "", true
		}
		rest = rest[i:]
	}
	return name, rest, true
}

// tagEnd finds the ">" of a tag, passing over quoted values.
func tagEnd(s string) int {
	quote := byte(0)
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && i > 0 && s[i-1] == '=':
			quote = c
		case c == '>':
			return i
		}
	}
	if quote != 0 { // a quote that never ends is none
		return strings.IndexByte(s, '>')
	}
	return -1
}

// indexClosing finds "</name" in any case.
func indexClosing(s, name string) int {
	for at := 0; ; {
		i := strings.Index(s[at:], "</")
		if i < 0 {
			return -1
		}
		at += i
		if len(s)-at-2 >= len(name) && strings.EqualFold(s[at+2:at+2+len(name)], name) {
			return at
		}
		at += 2
	}
}
