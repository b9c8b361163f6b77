package imapd

import (
	"hash/maphash"
	"strings"
	"sync"

	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
)

// digest is what SORT and THREAD need of a message, ready to be compared. Messages never change, so neither do digests.
type digest struct {
	text  string // the sort texts one behind another, each as casemap gives it
	ends  [sortTexts]uint32
	sent  int64 // of the Date field, microseconds UTC; noDate when it has none
	reply bool  // the subject is that of a reply or a forward
	id    uint64
	refs  []uint64 // of References, or of In-Reply-To when there are none
}

const noDate = -1 << 63

// The texts of a digest.
const (
	textSubject   = iota // base subject
	textFrom             // mailbox of the first address
	textTo               //
	textCc               //
	textShownFrom        // what RFC 5957 shows of the first address
	textShownTo          //
	sortTexts
)

func (d *digest) at(i int) string {
	if i == 0 {
		return d.text[:d.ends[0]]
	}
	return d.text[d.ends[i-1]:d.ends[i]]
}

// cost is about the octets that a digest takes in memory.
func (d *digest) cost() int { return 160 + len(d.text) + 8*len(d.refs) }

// digestCache keeps digests. Two generations of bounded size: when the young one is full it becomes the old one, and what is used
// again moves up. Message ids are hashed with a secret seed, so nobody can make two of them meet.
type digestCache struct {
	seed maphash.Seed

	mu         sync.Mutex
	young, old map[mailstore.MessageID]*digest
	used       int // octets of young
}

// maxYoung bounds a generation, in octets: about 130,000 messages.
const maxYoung = 40 << 20

func (c *digestCache) init() {
	c.seed = maphash.MakeSeed()
	c.young = map[mailstore.MessageID]*digest{}
}

// get fills in those digests of hits that are here and gives the places of the others.
func (c *digestCache) get(hits []target, out []*digest) (missing []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range hits {
		id := hits[i].row.Message
		if d := c.young[id]; d != nil {
			out[i] = d
		} else if d := c.old[id]; d != nil {
			out[i] = d
			c.add(id, d)
		} else {
			missing = append(missing, i)
		}
	}
	return missing
}

func (c *digestCache) put(id mailstore.MessageID, d *digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young[id] == nil {
		c.add(id, d)
	}
}

func (c *digestCache) add(id mailstore.MessageID, d *digest) {
	if c.used += d.cost(); c.used > maxYoung {
		c.old, c.young, c.used = c.young, map[mailstore.MessageID]*digest{}, d.cost()
	}
	c.young[id] = d
}

// digests gives the digest of each hit. A message that is damaged or gone has an empty one: it is still in the client's view.
func (s *session) digests(hits []target) ([]*digest, error) {
	c := &s.srv.digests
	out := make([]*digest, len(hits))
	missing := c.get(hits, out)
	empty := &digest{sent: noDate}
	list := make([]candidate, len(missing))
	places := make([]int, len(missing))
	for i, at := range missing {
		out[at] = empty
		list[i].target, places[i] = hits[at], i
	}
	err := look(list, places, func(ids []mailstore.MessageID, next func(mailstore.MessageID) int) error {
		return s.srv.be.Store.Metas(s.ctx, ids, func(m *mailstore.Meta) error {
			d := c.digest(m.Structure)
			out[missing[next(m.Message)]] = d
			c.put(m.Message, d)
			return nil
		})
	})
	return out, s.unlessDamaged(err)
}

// digest makes the digest of a message.
func (c *digestCache) digest(st *mail.Structure) *digest {
	f := st.Fields()
	d := &digest{sent: noDate, id: c.hash(f.MessageID)}
	if !f.Date.IsZero() {
		d.sent = f.Date.UnixMicro()
	}
	refs := f.Reference
	if len(refs) == 0 && f.InReplyTo != "" {
		refs = []string{f.InReplyTo}
	}
	for _, r := range refs {
		d.refs = append(d.refs, c.hash(r))
	}
	subject, reply := baseSubject(f.Subject)
	d.reply = reply
	var b strings.Builder
	for i, text := range [sortTexts]string{subject, mailboxOf(f.From), mailboxOf(f.To), mailboxOf(f.Cc), shown(f.From), shown(f.To)} {
		b.WriteString(casemap(text))
		d.ends[i] = uint32(b.Len()) //nolint:gosec // a header has at most a MiB
	}
	d.text = b.String()
	return d
}

// hash gives a message id as a number, 0 for none. <"a"@x> and <a@x> are the same (RFC 5256, section 3).
func (c *digestCache) hash(id string) uint64 {
	if id == "" {
		return 0
	}
	if strings.IndexByte(id, '"') >= 0 {
		id = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `"`, "").Replace(id)
	}
	return max(1, maphash.String(c.seed, id))
}

// mailboxOf gives the addr-mailbox of the first address, as ENVELOPE has it: for a group it is the group's name.
func mailboxOf(list []mail.HeaderAddress) string {
	if len(list) == 0 {
		return ""
	}
	a := list[0]
	if a.Group != mail.GroupNone {
		return a.Name
	}
	local := a.Addr
	if at := strings.LastIndexByte(local, '@'); at >= 0 {
		local = local[:at]
	}
	if len(local) > 1 && local[0] == '"' && strings.HasSuffix(local, `"`) {
		local = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(local[1 : len(local)-1])
	}
	return local
}

// shown gives the display name of the first address, or the address when it has none (RFC 5957, section 3).
func shown(list []mail.HeaderAddress) string {
	if len(list) == 0 {
		return ""
	}
	if list[0].Name != "" || list[0].Group != mail.GroupNone {
		return list[0].Name
	}
	return list[0].Addr
}
