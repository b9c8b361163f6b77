package imapd

import (
	"errors"
	"io"
	"strings"

	"vanthu/internal/fault"
	"vanthu/internal/mailstore"
)

// catenate takes the parts of CATENATE (RFC 4469) behind the opening parenthesis. A URL part is copied from another message, so that
// a client need not send again what is here already.
func (a *appender) catenate(b *mailstore.Body) (eight bool, err error) {
	for {
		var isEight bool
		word, _ := a.l.word()
		switch {
		case word == "TEXT" && a.l.special(' ') && a.announced():
			isEight = a.lit.eight
			err = a.part(b)
		case word == "UTF8" && a.l.special(' ') && a.l.special('(') && a.announced() && a.lit.eight:
			isEight = true
			if err = a.part(b); err == nil && !a.l.special(')') {
				err = a.wrong()
			}
		case word == "URL" && a.l.special(' '):
			err = a.urlPart(b)
		default:
			err = a.wrong()
		}
		if err != nil {
			return false, err
		}
		eight = eight || isEight
		if a.l.special(')') {
			return eight, nil
		}
		if !a.l.special(' ') {
			return false, a.wrong()
		}
	}
}

// urlPart takes URL and what it names.
func (a *appender) urlPart(b *mailstore.Body) error {
	text, isString := a.l.astring()
	if !isString {
		if !a.announced() || a.lit.eight {
			return a.wrong()
		}
		var err error
		if text, err = a.collect(); err != nil {
			return err
		}
	}
	u, valid := parseURL(text)
	if !valid {
		return badURL(text)
	}
	err := a.s.withSection(&u, func(r io.Reader, n int64) error {
		if err := a.room(n); err != nil {
			return err
		}
		_, err := io.Copy(b, r)
		return err
	})
	if kind := fault.KindOf(err); errors.Is(err, errNoSection) || kind == fault.NotFound || kind == fault.Invalid {
		return badURL(text)
	}
	return err
}

// badURL refuses a part; the client may then send it itself.
func badURL(text string) error {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"]\`, r) {
			return '?'
		}
		return r
	}, text[:min(len(text), maxURLShown)])
	return refuse(`BADURL "`+clean+`"`, "No such part of a message")
}

const maxURLShown = 256

// errNoSection tells that a URL names nothing that is there.
var errNoSection = errors.New("imapd: no such section")

// withSection gives what a URL names to fn. It fails with errNoSection, or faults of kind NotFound and Invalid, when there is no such
// thing that the account may read.
func (s *session) withSection(u *messageURL, fn func(r io.Reader, n int64) error) (err error) {
	m, _, err := s.need(u.mailbox, mailstore.RightRead)
	switch {
	case errors.Is(err, errNoRight):
		return errNoSection
	case err != nil:
		return err
	case !m.Selectable || u.validity != 0 && u.validity != m.UIDValidity:
		return errNoSection
	}
	hot, err := s.srv.be.Store.Hot(s.ctx, m.ID)
	if err != nil {
		return err
	}
	defer hot.Release()
	v := hot.Version()
	seq, found := v.Seq(u.uid)
	if !found {
		return errNoSection
	}
	c, err := s.srv.be.Store.Content(s.ctx, v.At(seq).Message)
	if errors.Is(err, mailstore.ErrNoMessage) {
		return errNoSection
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, n, err := u.item.read(c)
	if err != nil {
		return err
	}
	return fn(r, n)
}

// read gives the octets of a BODY section, cut to its partial.
func (it *fetchItem) read(c *mailstore.Content) (io.Reader, int64, error) {
	off, n, exists := it.place(c.Meta)
	if !exists {
		return nil, 0, errNoSection
	}
	if it.what != sectionFields && it.what != sectionFieldsNot {
		from, count := it.clip(n)
		return io.NewSectionReader(c, off+from, count), count, nil
	}
	raw := make([]byte, n)
	if _, err := c.ReadAt(raw, off); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	raw = it.filter.Append(nil, raw)
	from, count := it.clip(int64(len(raw)))
	return strings.NewReader(string(raw[from : from+count])), count, nil
}
