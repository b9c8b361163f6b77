package imapd

import (
	"errors"
	"strings"
	"sync/atomic"

	"vanthu/internal/wire"
)

// maxDone is the longest line that may end IDLE.
const maxDone = 1024

// runIdle answers IDLE (RFC 2177). While the connection's goroutine waits for DONE, changes are pushed by short goroutines of their
// own, at most one waiting: a slow client holds up nobody but itself.
func (s *session) runIdle(cmd *command) result { // on the stack of every idle connection, see handle
	stop, refused := s.beginIdle(cmd)
	if refused != nil {
		return *refused
	}
	line, err := s.c.ReadLine(maxDone)
	return s.endIdle(stop, line, err)
}

//go:noinline
func (s *session) beginIdle(cmd *command) (stop func(), refused *result) {
	if !cmd.args.end() {
		res := syntax("IDLE takes no arguments")
		return nil, &res
	}
	if _, err := s.c.WriteString("+ idling\r\n"); err != nil {
		res := s.lost(err)
		return nil, &res
	}
	stop = s.startPush()
	s.openPush()
	return stop, nil
}

// endIdle answers what the client said to end IDLE.
//
//go:noinline
func (s *session) endIdle(stop func(), line []byte, err error) result {
	done := err == nil && strings.EqualFold(string(trimLineEnd(line)), "DONE")
	s.closePush()
	stop()
	switch {
	case errors.Is(err, wire.ErrLineTooLong):
		return hangUp("Expected DONE")
	case err != nil:
		return s.lost(err)
	case !done:
		return syntax("Expected DONE")
	}
	s.poll(true)
	s.c.reply(s.c.cmd.tag, ok("IDLE completed"))
	return result{done: true}
}

// startPush begins to tell the client at once what changes in the selected mailbox, and what has changed since the last command.
// Nothing is pushed any more once stop has returned.
func (s *session) startPush() (stop func()) {
	if s.box == nil {
		return func() {}
	}
	if n := s.notify; n != nil && n.selected != nil && n.selected.events != 0 { // told by NOTIFY's pushes
		s.poll(true)
		return func() {}
	}
	var waiting, stopped atomic.Bool
	push := func() {
		waiting.Store(false) // a change from here on needs another push
		s.mu.Lock()
		defer s.mu.Unlock()
		if stopped.Load() {
			return
		}
		if !s.stillAllowed() {
			s.c.Kill()
			return
		}
		if s.box.othersOnly() {
			return
		}
		lines := s.box.update(nil, true, nil)
		if len(lines) == 0 {
			return
		}
		s.srv.stats.Pushes.Add(1)
		if s.out(lines) != nil || s.c.Flush() != nil {
			s.c.Kill() // wakes the reader as well
		}
	}
	cancel := s.srv.be.Store.Listen(s.box.id, func() {
		if !waiting.Swap(true) {
			go push()
		}
	})
	push()
	return func() {
		cancel()
		stopped.Store(true)
		s.mu.Lock() // waits for a push under way
		defer s.mu.Unlock()
	}
}
