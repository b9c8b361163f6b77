package edoc

import (
	"strings"

	"vanthu/internal/fault"
)

// A Problem is something wrong with what the sender declared. Its code tells
// the kind and the place: N.<path> missing, R.<path> out of range, M.<path>
// malformed, T.<path> of the wrong type; CodeConflict.<field> is a warning.
type Problem struct {
	Code string     `json:"code"`
	Text fault.Text `json:"text"`
}

// CodeConflict begins the code of the problem that sources disagree.
const CodeConflict = "xung_dot"

// Warning reports whether the problem only asks for attention; every other
// problem means that the declaration breaks a rule.
func (p Problem) Warning() bool { return strings.HasPrefix(p.Code, CodeConflict) }

// Err gives the problem as an error of kind fault.Invalid.
func (p Problem) Err() error { return fault.New(fault.Invalid, p.Text) }

// A place is where a problem is: its path, and its name for a person.
type place struct{ path, label string }

func (p place) missing() Problem {
	return Problem{"N." + p.path, fault.Text{
		EN: p.path + " is missing",
		VI: "Thiếu " + p.label + " (" + p.path + ")",
	}}
}

func (p place) outOfRange() Problem {
	return Problem{"R." + p.path, fault.Text{
		EN: p.path + " is out of range",
		VI: "Giá trị ngoài phạm vi cho phép: " + p.label + " (" + p.path + ")",
	}}
}

func (p place) malformed() Problem {
	return Problem{"M." + p.path, fault.Text{
		EN: p.path + " is malformed",
		VI: "Sai định dạng: " + p.label + " (" + p.path + ")",
	}}
}

func (p place) wrongType() Problem {
	return Problem{"T." + p.path, fault.Text{
		EN: p.path + " is not a number",
		VI: "Sai kiểu dữ liệu: " + p.label + " (" + p.path + ")",
	}}
}
