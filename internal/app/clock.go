package app

import (
	"vanthu/config"
	"vanthu/docstore"
)

// newsLimits are how long nothing may be heard of a document.
func newsLimits(cfg *config.Config) docstore.NewsLimits {
	d := cfg.Documents
	return docstore.NewsLimits{
		Warn: d.NewsWarning.Std(), Expire: d.NewsExpiry.Std(),
		UrgentWarn: d.UrgentNewsWarning.Std(), UrgentExpire: d.UrgentNewsExpiry.Std(),
	}
}
