package edoc

import "strings"

// A TypeClass says which numbering rules a type follows. It is the value of
// DocumentType/Type in edXML.
type TypeClass uint8

const (
	// ClassLegal is a legal-norm document (văn bản quy phạm pháp luật).
	ClassLegal TypeClass = 1
	// ClassAdministrative is an administrative document (văn bản hành chính).
	ClassAdministrative TypeClass = 2
)

// A DocType is a kind of document with its abbreviation in symbols.
type DocType struct {
	Abbr  string    // "QĐ"; "" for Công văn and Thư công
	Name  string    // Vietnamese name, NFC
	Num   int       // 1–29 in the order of NĐ 30/2020, article 7; 0 for copies and legal norms
	Class TypeClass // administrative unless the code carries a year
	edxml int       // TypeDetail in edXML, 0 when the list has no number for it
}

// officialLetter is Công văn, the type of a symbol that names no type.
var officialLetter = DocType{Name: "Công văn", Num: 18, Class: ClassAdministrative, edxml: 18}

// docTypes holds the 29 administrative types and the three kinds of copy: NĐ
// 30/2020, article 7 and Phụ lục III. The edXML numbers are list B of QCVN
// 102:2016, which follows the older list of 32 types; it numbers no Phiếu báo.
var docTypes = [...]DocType{
	{"NQ", "Nghị quyết", 1, ClassAdministrative, 1},
	{"QĐ", "Quyết định", 2, ClassAdministrative, 2},
	{"CT", "Chỉ thị", 3, ClassAdministrative, 3},
	{"QC", "Quy chế", 4, ClassAdministrative, 4},
	{"QyĐ", "Quy định", 5, ClassAdministrative, 5},
	{"TC", "Thông cáo", 6, ClassAdministrative, 6},
	{"TB", "Thông báo", 7, ClassAdministrative, 7},
	{"HD", "Hướng dẫn", 8, ClassAdministrative, 8},
	{"CTr", "Chương trình", 9, ClassAdministrative, 9},
	{"KH", "Kế hoạch", 10, ClassAdministrative, 10},
	{"PA", "Phương án", 11, ClassAdministrative, 11},
	{"ĐA", "Đề án", 12, ClassAdministrative, 12},
	{"DA", "Dự án", 13, ClassAdministrative, 13},
	{"BC", "Báo cáo", 14, ClassAdministrative, 14},
	{"BB", "Biên bản", 15, ClassAdministrative, 15},
	{"TTr", "Tờ trình", 16, ClassAdministrative, 16},
	{"HĐ", "Hợp đồng", 17, ClassAdministrative, 17},
	officialLetter,
	{"CĐ", "Công điện", 19, ClassAdministrative, 19},
	{"BGN", "Bản ghi nhớ", 20, ClassAdministrative, 20},
	{"BTT", "Bản thỏa thuận", 21, ClassAdministrative, 22},
	{"GUQ", "Giấy ủy quyền", 22, ClassAdministrative, 24},
	{"GM", "Giấy mời", 23, ClassAdministrative, 25},
	{"GGT", "Giấy giới thiệu", 24, ClassAdministrative, 26},
	{"GNP", "Giấy nghỉ phép", 25, ClassAdministrative, 27},
	{"PG", "Phiếu gửi", 26, ClassAdministrative, 30},
	{"PC", "Phiếu chuyển", 27, ClassAdministrative, 31},
	{"PB", "Phiếu báo", 28, ClassAdministrative, 0},
	{"", "Thư công", 29, ClassAdministrative, 32},
	{"SY", "Sao y", 0, ClassAdministrative, 0},
	{"TrS", "Trích sao", 0, ClassAdministrative, 0},
	{"SL", "Sao lục", 0, ClassAdministrative, 0},
}

// legalTypes holds the legal-norm types that a province meets; they are told
// from the administrative ones of the same abbreviation by the year in the
// code. Luật Ban hành văn bản quy phạm pháp luật.
var legalTypes = [...]DocType{
	{"NQ", "Nghị quyết", 0, ClassLegal, 0},
	{"QĐ", "Quyết định", 0, ClassLegal, 0},
	{"NĐ", "Nghị định", 0, ClassLegal, 0},
	{"TT", "Thông tư", 0, ClassLegal, 0},
	{"TTLT", "Thông tư liên tịch", 0, ClassLegal, 0},
	{"NQLT", "Nghị quyết liên tịch", 0, ClassLegal, 0},
}

// DocTypes returns the 29 administrative types in their legal order.
func DocTypes() []DocType {
	return append([]DocType(nil), docTypes[:29]...)
}

// TypeForSymbol gives the type that a symbol names by its first group:
// "QĐ-UBND" is a Quyết định. A symbol that names none, such as "SGDĐT-VP", or
// the Party's "CV/TU", is a Công văn.
//
// Capital letters and diacritics decide first, because HD is Hướng dẫn and HĐ
// Hợp đồng; an abbreviation typed without diacritics, QD, still finds its type
// when it is not one itself.
func TypeForSymbol(symbol string) DocType {
	abbr := typeGroup(symbol)
	if t, ok := findAbbr(docTypes[:], abbr); ok {
		return t
	}
	return officialLetter
}

// TypeForCode gives the type of a document by its code. A code with a year is
// a legal norm, whose type is never Công văn: an unknown one has no name.
func TypeForCode(c Code) DocType {
	if c.Year == 0 {
		return TypeForSymbol(c.Symbol)
	}
	t, ok := findAbbr(legalTypes[:], typeGroup(c.Symbol))
	if !ok {
		t.Class = ClassLegal
	}
	return t
}

// TypeForName gives the administrative type with the name or abbreviation s,
// however accented: "Quyết định", "quyet dinh", "QĐ". The Party and local
// abbreviation CV is Công văn.
func TypeForName(s string) (DocType, bool) {
	s = oneLine(s)
	if t, ok := findAbbr(docTypes[:], s); ok {
		return t, true
	}
	folded := Fold(s)
	if folded == "cv" {
		return officialLetter, true
	}
	for _, t := range docTypes {
		if Fold(t.Name) == folded {
			return t, true
		}
	}
	return DocType{}, false
}

// SymbolOf gives the symbol that a document of type t of the agency with that
// short name bears: "QĐ-SYT"; a Công văn's, which names no type, is the agency's
// alone. NĐ 30/2020, Phụ lục I.
func SymbolOf(t DocType, shortName string) string {
	if t.Abbr == "" {
		return shortName
	}
	return t.Abbr + "-" + shortName
}

// IsZero reports whether t is no type.
func (t DocType) IsZero() bool { return t == DocType{} }

// EdXMLDetail gives the TypeDetail number of t, 0 when edXML has none and the
// element is to be left out.
func (t DocType) EdXMLDetail() int { return t.edxml }

// typeForEdXML gives the administrative type with that TypeDetail.
func typeForEdXML(detail int) (DocType, bool) {
	for _, t := range docTypes {
		if detail != 0 && t.edxml == detail {
			return t, true
		}
	}
	return DocType{}, false
}

// typeGroup gives the first group of a symbol.
func typeGroup(symbol string) string {
	symbol = strings.Map(eth, clean(symbol))
	if i := strings.IndexAny(symbol, "-/&."); i >= 0 {
		symbol = symbol[:i]
	}
	return strings.TrimSpace(symbol)
}

func findAbbr(types []DocType, abbr string) (DocType, bool) {
	if abbr == "" {
		return DocType{}, false
	}
	for _, t := range types {
		if t.Abbr != "" && strings.EqualFold(t.Abbr, abbr) {
			return t, true
		}
	}
	folded := Fold(abbr)
	for _, t := range types {
		if t.Abbr != "" && Fold(t.Abbr) == folded {
			return t, true
		}
	}
	return DocType{}, false
}
