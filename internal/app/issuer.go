package app

import (
	"context"

	"vanthu/docstore"
	"vanthu/internal/delivery"
	"vanthu/internal/workflow"
)

// issuer lets the workflow send what clerks issue.
type issuer struct{ d *delivery.Delivery }

// NumberDraft gives a draft its number, as delivery does.
func (i issuer) NumberDraft(ctx context.Context, d workflow.Draft) (string, error) {
	return i.d.NumberDraft(ctx, delivery.Draft(d))
}

// IssueDraft numbers a draft and sends it, as delivery does.
func (i issuer) IssueDraft(ctx context.Context, d workflow.Draft) (docstore.Place, string, error) {
	return i.d.IssueDraft(ctx, delivery.Draft(d))
}
