package edoc

import (
	"regexp"
	"strings"
	"time"
)

// maxNameBytes bounds the file names that are looked at.
const maxNameBytes = 200

var reFile = regexp.MustCompile(`(?i)^([0-9]{1,6}[a-z]?)[._ -]+((?:[a-zđ]{1,12})(?:[._-][a-zđ]{2,12}){0,3}?)` +
	`(?:[._ -]+([0-9]{8}|[0-9]{1,2}[.-][0-9]{1,2}[.-][0-9]{4}))?(?:[._ -]*(?:signed|s|ky|kyso|da ky))*\.(?:pdf|docx?|edxml)$`)

// parseFileName reads number, symbol and day from a name such as
// "123_QD-UBND_20261123.pdf" or "196-ndcp.signed.pdf". The day is zero when
// the name has none.
func parseFileName(name string) (Code, time.Time, bool) {
	if len(name) > maxNameBytes {
		return Code{}, time.Time{}, false
	}
	m := reFile.FindStringSubmatch(oneLine(name))
	if m == nil {
		return Code{}, time.Time{}, false
	}
	symbol := strings.ToUpper(strings.NewReplacer("_", "-", ".", "-").Replace(m[2]))
	code, err := ParseCode(m[1] + "/" + symbol)
	if err != nil {
		return Code{}, time.Time{}, false
	}
	return code, fileDay(m[3]), true
}

// fileDay reads 20261123, 23112026 or 23-11-2026.
func fileDay(s string) time.Time {
	layouts := [...]string{"20060102", "02012006", "2-1-2006", "2.1.2006"}
	for _, layout := range layouts {
		t, err := time.ParseInLocation(layout, s, vietnam)
		if err == nil && t.Year() >= 1990 && t.Year() < 2100 {
			return t
		}
	}
	return time.Time{}
}

// fromFiles adds what the first telling file name says.
func (c *claims) fromFiles(files []File) {
	for i := range files {
		code, day, ok := parseFileName(files[i].Name)
		if !ok {
			continue
		}
		c.addCode(SourceFileName, code, files[i].Name)
		c.addIssued(SourceFileName, day, files[i].Name)
		return
	}
}
