package imapd

import "vanthu/internal/workflow"

// The real workflow fits.
var _ Workflow = (*workflow.Workflow)(nil)
