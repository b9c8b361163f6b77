package control

import (
	"context"
	"encoding/json"

	"vanthu/internal/receipt"
	"vanthu/internal/sqldb"
	"vanthu/internal/workflow"
)

// CallReceiptShow gives a receipt by its code.
const CallReceiptShow = "receipt.show" // ReceiptNamed → ReceiptFile

// ReceiptNamed names a receipt by its short code.
type ReceiptNamed struct {
	Code string `json:"code"`
}

// ReceiptFile is the file of a receipt as it was sent.
type ReceiptFile struct {
	Content json.RawMessage `json:"content"`
}

func (s *Service) receiptShow(ctx context.Context, req ReceiptNamed, _ Progress) (any, error) {
	code, err := receipt.ParseCode(req.Code)
	if err != nil {
		return nil, err
	}
	var content []byte
	err = s.DB.View(ctx, func(r sqldb.Reader) (err error) {
		content, err = workflow.ReceiptFile(ctx, r, code)
		return err
	})
	return ReceiptFile{content}, err
}
