package docstore

import "vanthu/internal/edoc"

// Keywords that the server sets on the messages of documents. edoc.md §4.8; the
// labels are those that mail clients show in colours.
const (
	KeywordIncoming = "$vb-den"
	KeywordOutgoing = "$vb-di"
	KeywordLate     = "$vb-qua-han"
	KeywordRecall   = "$vb-thu-hoi"
	LabelRed        = "$label1" // flash, or past its due time
	LabelOrange     = "$label2" // urgent, or due soon
	LabelLook       = "$label4" // its form or signature needs a look
)

// UrgencyMarks gives the keywords of a document by its urgency, and whether its
// message is flagged.
func UrgencyMarks(u edoc.Urgency) (keywords []string, flagged bool) {
	switch u {
	case edoc.UrgencyFlash, edoc.UrgencyTimed:
		return []string{LabelRed}, true
	case edoc.UrgencyUrgent, edoc.UrgencyHigh:
		return []string{LabelOrange}, true
	case edoc.UrgencyNormal:
	}
	return nil, false
}
