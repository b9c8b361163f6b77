package workflow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vanthu/docstore"
	"vanthu/internal/directory"
	"vanthu/internal/mail"
	"vanthu/internal/mailstore"
	"vanthu/internal/sqldb"
)

const (
	pagesTick  = 2 * time.Second // how often RunBooks looks
	pagesBatch = 50              // entries shown in one transaction
)

// RunBooks keeps the folders "Sổ/<năm>/…" of units in step with their
// registers, one message for each entry, until ctx ends; then it returns nil.
// Registering does not wait for it: what has to be shown lies in the database.
func (w *Workflow) RunBooks(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		next := pagesTick
		if err := w.ShowBooks(ctx); err != nil && ctx.Err() == nil {
			w.opt.Log.ErrorContext(ctx, "registers are not shown as they are", "err", err)
			next = time.Minute
		}
		timer.Reset(next)
	}
}

// ShowBooks does once what RunBooks does again and again.
func (w *Workflow) ShowBooks(ctx context.Context) error {
	for {
		var pages []docstore.BookPage
		err := w.db.View(ctx, func(r sqldb.Reader) (err error) {
			pages, err = docstore.StalePages(ctx, r, pagesBatch)
			return err
		})
		if err != nil || len(pages) == 0 {
			return err
		}
		if err := w.showPages(ctx, pages); err != nil {
			return err
		}
	}
}

func (w *Workflow) showPages(ctx context.Context, pages []docstore.BookPage) (err error) {
	units := w.dir.Snapshot()
	bodies := make([]*mailstore.Finished, len(pages))
	defer func() {
		for _, b := range bodies {
			if b != nil {
				err = errors.Join(err, b.Release())
			}
		}
	}()
	for i, p := range pages {
		unit, ok := units.Unit(p.Unit)
		if !ok {
			continue // an entry without a unit is shown to nobody
		}
		if bodies[i], err = w.compose(w.page(units, unit, p)); err != nil {
			return err
		}
	}
	return w.db.Update(ctx, func(tx *sqldb.Tx) error {
		for i, p := range pages {
			at := docstore.Place{}
			if bodies[i] != nil {
				folder, err := w.boxes.BookFolder(ctx, tx, p.Unit, string(p.Direction), p.Year)
				if err != nil {
					return err
				}
				uid, err := w.put(ctx, tx, bodies[i], folder, p.Entry.Entered)
				if err != nil {
					return err
				}
				at = place(folder, uid)
			}
			if p.Place != (docstore.Place{}) {
				old := mailstore.UIDs(mailstore.UID(p.Place.UID))
				if _, err := w.boxes.Remove(ctx, tx, mailstore.MailboxID(p.Place.Mailbox), old); err != nil {
					return err
				}
			}
			if err := w.docs.SetPage(ctx, tx, p, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// page makes the message of an entry: the ten columns of NĐ 30/2020, Phụ lục IV.
func (w *Workflow) page(units *directory.Snapshot, unit directory.Unit, p docstore.BookPage) mail.Builder {
	e := p.Entry
	word, code, title := "Số đến", e.Columns.Code, e.Columns.Title
	if p.Direction == docstore.DirectionOut {
		word, code, title = "Số đi", e.Out.Code, e.Out.Title
	}
	number := strconv.Itoa(e.Number) + e.Suffix
	if e.Number == 0 {
		number = "(không số)"
	}
	tag := ""
	switch {
	case e.State == docstore.EntryVoided:
		tag = "[ĐÃ HỦY] "
	case e.Corrects != 0:
		tag = "[Đính chính] "
	}
	subject := tag + word + " " + number
	for _, s := range []string{code, title} {
		if s != "" {
			subject += " · " + s
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, "SỔ ĐĂNG KÝ VĂN BẢN %s NĂM %d\n%s\n\n", strings.ToUpper(strings.TrimPrefix(word, "Số ")), p.Year, unit.Name)
	if e.State == docstore.EntryVoided {
		by, _ := units.Account(directory.AccountID(e.VoidedBy))
		fmt.Fprintf(&s, "DÒNG NÀY ĐÃ GẠCH BỎ lúc %s (+07:00); số giữ nguyên, không cấp lại.\n", clock(e.Voided))
		column(&s, "Lý do", e.VoidReason)
		column(&s, "Người hủy", by.Name)
		s.WriteString("\n")
	}
	if p.Direction == docstore.DirectionOut {
		c := e.Out
		column(&s, "Số, ký hiệu văn bản", c.Code)
		column(&s, "Ngày, tháng văn bản", date(c.Issued))
		column(&s, "Tên loại và trích yếu", c.Title)
		column(&s, "Người ký", c.Signer)
		column(&s, "Nơi nhận văn bản", c.Recipients)
		column(&s, "Đơn vị, người nhận bản lưu", c.Keeper)
		if c.Copies > 0 {
			column(&s, "Số lượng bản", strconv.Itoa(c.Copies))
		}
		column(&s, "Ngày chuyển", date(c.Handed))
		column(&s, "Ký nhận", c.Signed)
		column(&s, "Ghi chú", c.Remark)
	} else {
		c := e.Columns
		column(&s, "Ngày đến", date(c.Arrived))
		column(&s, "Số đến", number)
		column(&s, "Tác giả", c.Issuer)
		column(&s, "Số, ký hiệu", c.Code)
		column(&s, "Ngày, tháng", date(c.Issued))
		column(&s, "Tên loại và trích yếu", c.Title)
		column(&s, "Đơn vị hoặc người nhận", c.Recipient)
		column(&s, "Ngày chuyển", date(c.Handed))
		column(&s, "Ký nhận", c.Signed)
		column(&s, "Ghi chú", c.Remark)
	}
	by, _ := units.Account(directory.AccountID(e.By))
	s.WriteString("\n")
	column(&s, "Vào sổ lúc", clock(e.Entered)+" (+07:00)")
	column(&s, "Người vào sổ", by.Name)
	column(&s, "Mã dòng", fmt.Sprintf("%x", e.Hash[:8]))
	to := boxOf(unit)
	return mail.Builder{
		From: w.author(unit.Address), To: []mail.Mailbox{to}, Subject: oneLine(subject), Date: e.Entered.In(vietnam),
		MessageID: mail.NewMessageID(unit.Address.Domain), AutoSubmitted: autoGenerated, Language: "vi", Text: s.String(),
	}
}

// column writes one of the ten columns; an empty one too, as in the book.
func column(s *strings.Builder, name, value string) {
	s.WriteString(strings.TrimRight(pad(name+":", 28)+oneLine(value), " ") + "\n")
}

// date writes a day of a register as people do.
func date(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.Format("02/01/2006")
}
