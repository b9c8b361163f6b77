package app

import (
	"time"

	"vanthu/config"
	"vanthu/docstore"
	"vanthu/internal/workflow"
)

// newsLimits are how long nothing may be heard of a document.
func newsLimits(cfg *config.Config) docstore.NewsLimits {
	d := cfg.Documents
	return docstore.NewsLimits{
		Warn: d.NewsWarning.Std(), Expire: d.NewsExpiry.Std(),
		UrgentWarn: d.UrgentNewsWarning.Std(), UrgentExpire: d.UrgentNewsExpiry.Std(),
	}
}

// digestAt is the time of day of the mail of the morning, 0 for none.
func digestAt(cfg *config.Config) time.Duration {
	clock, ok := cfg.Documents.DigestAt()
	if !ok {
		return 0
	}
	return max(clock, 1) // midnight is a time too
}

// receipts says who signs receipts: the key of the journal, or nobody.
func receipts(cfg *config.Config) (workflow.Receipts, error) {
	if !cfg.Documents.Receipts {
		return workflow.Receipts{}, nil
	}
	key, err := JournalKey(cfg).Signer()
	return workflow.Receipts{Key: key, Server: Hostname(cfg)}, err
}
