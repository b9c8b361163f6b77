package app

import (
	"bytes"

	"vanthu/docstore"
	"vanthu/internal/mail"
	"vanthu/internal/report"
)

// opinionFiles makes the summary of opinions as files for a message.
func opinionFiles(doc docstore.Document, t docstore.Tally, name func(docstore.Dispatch) string) ([]mail.File, error) {
	sheet := report.ListOpinions(doc, t, name)
	var files []mail.File
	for _, f := range []struct {
		format report.Format
		media  string
	}{
		{report.FormatXLSX, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
		{report.FormatCSV, "text/csv; charset=utf-8"},
	} {
		var b bytes.Buffer
		if err := sheet.Write(&b, f.format); err != nil {
			return nil, err
		}
		files = append(files, mail.File{Name: "tong-hop-y-kien." + string(f.format), Type: f.media, Content: b.Bytes()})
	}
	return files, nil
}
