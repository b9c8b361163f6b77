package imapd

import (
	"sync"
	"time"
)

// progressEvery is how often a client is told that its command is being worked on (RFC 9585, section 4).
const progressEvery = 10 * time.Second

// working tells the client from time to time that its command takes longer, so that it does not give up, until stop is called.
// Meanwhile nothing else may be written.
func (s *session) working() (stop func()) {
	every := s.srv.opt.progressEvery
	line := okCode("INPROGRESS ("+string(appendQuoted(nil, s.req.tag))+" NIL NIL)", "Still working").line("")
	var mu sync.Mutex
	stopped := false
	var timer *time.Timer
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(every, func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped || s.out(line) != nil || s.c.Flush() != nil {
			return // a broken connection shows at the next read
		}
		timer.Reset(every)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}
