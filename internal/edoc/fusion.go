package edoc

// A Source is where a value was found.
type Source string

const (
	SourceEdXML    Source = "edxml"
	SourceHeader   Source = "x-vb"
	SourceSubject  Source = "subject"
	SourceFileName Source = "file_name"
	SourceDerived  Source = "derived" // computed from another field
)

// strong is the weight from which a source must not be overruled in silence.
const strong = 0.8

// weight is how far a source is believed, 0 to 1.
func (s Source) weight() float64 {
	switch s {
	case SourceEdXML:
		return 1
	case SourceHeader:
		return 0.95
	case SourceSubject:
		return 0.90
	case SourceDerived:
		return 0.60
	case SourceFileName:
		return 0.55
	}
	return 0
}
