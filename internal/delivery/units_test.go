package delivery_test

import (
	"testing"

	"vanthu/internal/delivery"
	"vanthu/internal/fault"
	"vanthu/internal/mail"
)

// A way out may be for some units only, named by code, address or short name.
func TestWaysForSomeUnits(t *testing.T) {
	w := newWorld(t)
	const other = "vanthu@xa1.p.test"
	var units []string
	w.delivery = delivery.New(delivery.Stores{DB: w.db, Directory: w.dir, Mail: w.mail, Queue: w.queue, Rules: w.rules}, delivery.Options{
		Hostname: "mail.p.test", HasRoute: func(string) bool { return true },
		RouteUnits: func(domain string) []string {
			if domain == "open.test" {
				return nil
			}
			return units
		},
	})
	for _, tt := range []struct {
		name, login, to string
		units           []string
		ok              bool
	}{
		{"for all", other, "a@world.test", nil, true},
		{"by code", clerk, "a@world.test", []string{"H18.1"}, true},
		{"by address", clerk, "a@world.test", []string{"SNV@p.test"}, true},
		{"by short name", clerk, "a@world.test", []string{"H18.3", "snv"}, true},
		{"another unit", other, "a@world.test", []string{"H18.1"}, false},
		{"a code that begins the same", clerk, "a@world.test", []string{"H18"}, false},
		{"a way for all beside it", other, "a@open.test", []string{"H18.1"}, true},
		{"a local recipient", other, "xa1@p.test", []string{"H18.1"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			units = tt.units
			err := w.delivery.CheckRecipient(t.Context(), w.origin(tt.login), mail.Path{Address: address(t, tt.login)}, address(t, tt.to))
			if tt.ok && err != nil || !tt.ok && fault.KindOf(err) != fault.Denied {
				t.Errorf("got %v, want allowed: %v", err, tt.ok)
			}
		})
	}
}
