package edoc

// MinReasonRunes is the least length, in characters, of a reason that a person
// writes: the text of ReasonOther and the reason of a return.
const MinReasonRunes = 10

// A RefuseReason says why a document was refused (status 02) or returned.
type RefuseReason string

const (
	// ReasonWrongAddressee: sent to the wrong unit.
	ReasonWrongAddressee RefuseReason = "SAI_NOI_NHAN"
	// ReasonNoSignature: a signature is missing or invalid.
	ReasonNoSignature RefuseReason = "THIEU_CHU_KY"
	// ReasonBadForm: the form breaks NĐ 30/2020.
	ReasonBadForm RefuseReason = "SAI_THE_THUC"
	// ReasonMissingFile: a file is missing or corrupt.
	ReasonMissingFile RefuseReason = "THIEU_TEP"
	// ReasonDuplicate: the unit has this document already.
	ReasonDuplicate RefuseReason = "TRUNG"
	// ReasonSecret: it bears the mark of a state secret.
	ReasonSecret RefuseReason = "NOI_DUNG_MAT"
	// ReasonOther: another reason, which a person must write.
	ReasonOther RefuseReason = "KHAC"
)

// RefuseReasons returns all reasons.
func RefuseReasons() []RefuseReason {
	return []RefuseReason{
		ReasonWrongAddressee, ReasonNoSignature, ReasonBadForm, ReasonMissingFile,
		ReasonDuplicate, ReasonSecret, ReasonOther,
	}
}

// Valid reports whether r is one of the seven codes.
func (r RefuseReason) Valid() bool { return r.Vi() != "" }

// Vi gives the Vietnamese text that the sender reads, "" for an unknown code.
func (r RefuseReason) Vi() string {
	switch r {
	case ReasonWrongAddressee:
		return "Sai nơi nhận"
	case ReasonNoSignature:
		return "Thiếu chữ ký số hoặc chữ ký số không hợp lệ"
	case ReasonBadForm:
		return "Sai thể thức văn bản"
	case ReasonMissingFile:
		return "Thiếu tệp hoặc tệp bị hỏng"
	case ReasonDuplicate:
		return "Trùng văn bản đã nhận"
	case ReasonSecret:
		return "Nội dung có dấu chỉ độ mật"
	case ReasonOther:
		return "Lý do khác"
	}
	return ""
}

// EN gives the English text, "" for an unknown code.
func (r RefuseReason) EN() string {
	switch r {
	case ReasonWrongAddressee:
		return "wrong addressee"
	case ReasonNoSignature:
		return "digital signature missing or invalid"
	case ReasonBadForm:
		return "form error"
	case ReasonMissingFile:
		return "file missing or corrupt"
	case ReasonDuplicate:
		return "duplicate of a document already received"
	case ReasonSecret:
		return "bears a state-secret mark"
	case ReasonOther:
		return "other reason"
	}
	return ""
}

// Folder gives the name of the folder under "0 Từ chối" that means r, "" for
// ReasonSecret, which no clerk chooses by a folder, and for an unknown code.
func (r RefuseReason) Folder() string {
	switch r {
	case ReasonWrongAddressee:
		return "Sai nơi nhận"
	case ReasonNoSignature:
		return "Thiếu chữ ký"
	case ReasonBadForm:
		return "Sai thể thức"
	case ReasonMissingFile:
		return "Thiếu tệp"
	case ReasonDuplicate:
		return "Trùng"
	case ReasonOther:
		return "Khác"
	case ReasonSecret:
	}
	return ""
}

// NeedsText reports whether a person must add at least MinReasonRunes of text.
func (r RefuseReason) NeedsText() bool { return r == ReasonOther }

// ReasonForFolder gives the reason that a folder name under "0 Từ chối" means,
// compared folded.
func ReasonForFolder(name string) (RefuseReason, bool) {
	folded := Fold(oneLine(name))
	if folded == "" {
		return "", false
	}
	for _, r := range RefuseReasons() {
		if Fold(r.Folder()) == folded {
			return r, true
		}
	}
	return "", false
}
