package imapd

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// resyncer is what a model client of QRESYNC knows beside the messages.
type resyncer struct {
	w        *world
	validity uint32
	modseq   uint64 // the client has been told all up to here
	seen     uint64 // highest MODSEQ since the last tagged response
	code     uint64 // HIGHESTMODSEQ since then, which counts in place of seen
	earlier  []mailRange
	asked    bool // by FETCH, whose answers hold what was asked for
}

type mailRange struct{ first, last uint64 }

var (
	modseqItem   = regexp.MustCompile(`MODSEQ \((\d+)\)`)
	highestCode  = regexp.MustCompile(`\[HIGHESTMODSEQ (\d+)\]`)
	vanishedLine = regexp.MustCompile(`^\* VANISHED (\(EARLIER\) )?([0-9:,]+)$`)
)

// hearSync takes what only QRESYNC clients hear. RFC 7162, section 6 says how they keep their mod-sequence.
func (m *model) hearSync(s string) {
	if g := highestCode.FindStringSubmatch(s); g != nil {
		m.sync.code, _ = strconv.ParseUint(g[1], 10, 63)
		return
	}
	if g := modseqItem.FindStringSubmatch(s); g != nil {
		n, _ := strconv.ParseUint(g[1], 10, 63)
		m.sync.seen = max(m.sync.seen, n)
	} else if strings.Contains(s, " FETCH (") && strings.Contains(s, "FLAGS (") && !m.sync.asked {
		m.t.Errorf("no MODSEQ in %s", s)
	}
	g := vanishedLine.FindStringSubmatch(s)
	if g == nil {
		return
	}
	for part := range strings.SplitSeq(g[2], ",") {
		from, to, isRange := strings.Cut(part, ":")
		if !isRange {
			to = from
		}
		var r mailRange
		r.first, _ = strconv.ParseUint(from, 10, 32)
		r.last, _ = strconv.ParseUint(to, 10, 32)
		if g[1] != "" {
			m.sync.earlier = append(m.sync.earlier, r)
			continue
		}
		if m.held {
			m.t.Errorf("VANISHED during FETCH, STORE or SEARCH")
		}
		for uid := r.first; uid <= r.last; uid++ {
			at := slices.IndexFunc(m.list, func(msg modelMessage) bool { return msg.uid == uid })
			if at < 0 {
				at = m.unnamed(uid)
			}
			if at < 0 {
				m.t.Errorf("VANISHED %d, which the client does not know", uid)
				return
			}
			m.list = slices.Delete(m.list, at, at+1)
		}
	}
}

// unnamed finds a message that has come and whose UID the client has not been told yet, where a UID would stand, -1 when there is none:
// what comes and goes within one IDLE is told by EXISTS and VANISHED only.
func (m *model) unnamed(uid uint64) int {
	for i, msg := range m.list {
		if msg.uid > uid {
			break
		}
		if msg.uid == 0 && !slices.ContainsFunc(m.list[i:], func(later modelMessage) bool { return later.uid != 0 && later.uid < uid }) {
			return i
		}
	}
	return -1
}

// note brings the client's mod-sequence up to date at a tagged response.
func (m *model) note(tagged string) {
	m.hearSync(tagged)
	if m.sync.code != 0 {
		m.sync.modseq = m.sync.code
	} else {
		m.sync.modseq = max(m.sync.modseq, m.sync.seen)
	}
	m.sync.code, m.sync.seen = 0, 0
}

// settle ends a command: the client fetches what is new to it, as clients with a cache do.
func (m *model) settle(tagged string) {
	m.note(tagged)
	m.complete()
}

func (m *model) complete() {
	for i := range m.list {
		if m.list[i].uid == 0 || m.list[i].flags == "?" || m.list[i].mod == 0 {
			m.command(true, fmt.Sprintf("FETCH %d:%d (UID FLAGS MODSEQ)", i+1, len(m.list)))
			return
		}
	}
}

// syncStep is what only these clients do.
func (m *model) syncStep() {
	if m.rnd.IntN(3) > 0 {
		m.reconnect()
		return
	}
	m.sync.earlier = nil
	m.command(false, fmt.Sprintf("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)", max(1, m.sync.modseq-min(m.sync.modseq, 3))))
	for _, r := range m.sync.earlier {
		for i := range m.list {
			if uid := m.list[i].uid; uid != 0 && r.first <= uid && uid <= r.last {
				m.t.Errorf("VANISHED (EARLIER) %d, which is there", uid)
			}
		}
	}
}

// reconnect drops the connection and comes back with what the client knew.
func (m *model) reconnect() {
	m.c.Close()
	m.client = m.sync.w.login(m.who)
	m.ok("ENABLE QRESYNC")
	known := ""
	if m.rnd.IntN(2) == 0 && len(m.list) > 0 {
		var uids []string
		for i := range m.list {
			uids = append(uids, strconv.FormatUint(m.list[i].uid, 10))
		}
		known = " " + strings.Join(uids, ",")
	}
	m.sync.earlier = nil
	old := m.list
	untagged, tagged := m.do(fmt.Sprintf("SELECT %s (QRESYNC (%d %d%s))", m.box, m.sync.validity, m.sync.modseq, known))
	exists := 0
	numbers := map[uint64]int{}
	for _, s := range untagged {
		m.hearSync(s)
		if g := numberLine.FindStringSubmatch(s); g != nil && g[2] == "EXISTS" {
			exists, _ = strconv.Atoi(g[1])
		} else if g != nil && g[2] == "FETCH" {
			seq, _ := strconv.Atoi(g[1])
			uid, _ := strconv.ParseUint(uidItem.FindStringSubmatch(g[3])[1], 10, 32)
			mod, _ := strconv.ParseUint(modseqItem.FindStringSubmatch(g[3])[1], 10, 63)
			msg := modelMessage{uid: uid, flags: sortFlags(flagsItem.FindStringSubmatch(g[3])[1]), mod: mod}
			numbers[uid] = seq
			if at := slices.IndexFunc(old, func(o modelMessage) bool { return o.uid == uid }); at >= 0 {
				old[at] = msg
			} else {
				old = append(old, msg)
			}
		}
	}
	m.list = slices.DeleteFunc(old, func(msg modelMessage) bool {
		return slices.ContainsFunc(m.sync.earlier, func(r mailRange) bool { return r.first <= msg.uid && msg.uid <= r.last })
	})
	slices.SortFunc(m.list, func(a, b modelMessage) int { return cmp.Compare(a.uid, b.uid) })
	for i := range m.list {
		if n, told := numbers[m.list[i].uid]; told && n != i+1 {
			m.t.Errorf("message %d has number %d, the client counts %d", m.list[i].uid, n, i+1)
		}
	}
	if len(m.list) > exists || known == "" && len(m.list) < exists {
		m.t.Errorf("%d messages after %s (%d before), the client counts %d", exists, tagged, len(old), len(m.list))
	}
	for len(m.list) < exists { // new ones, above what the client said it knew
		m.list = append(m.list, modelMessage{flags: "?"})
	}
	m.settle(tagged)
}
