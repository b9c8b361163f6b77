package main

import (
	"context"
	"fmt"
	"strings"

	"vanthu/config"
	"vanthu/internal/control"
)

// demoUnit is a unit of the training province.
type demoUnit struct {
	name  string // of its addresses: name@dienbien.test, vanthu@name.dienbien.test
	code  string // invented, in the form of QĐ 20/2020/QĐ-TTg
	short string
	title string
	kind  string
}

const demoDomain = "dienbien.test"

// demoUnits are the province, five departments and 45 communes. The communes
// have numbers in place of names: this is no map.
func demoUnits() []demoUnit {
	units := []demoUnit{
		{"ubnd", "H18", "UBND", "Ủy ban nhân dân tỉnh", "tỉnh"},
		{"soyte", "H18.21", "SYT", "Sở Y tế", "sở"},
		{"sogtvt", "H18.22", "SGTVT", "Sở Giao thông vận tải", "sở"},
		{"sonoivu", "H18.23", "SNV", "Sở Nội vụ", "sở"},
		{"sotaichinh", "H18.24", "STC", "Sở Tài chính", "sở"},
		{"sotuphap", "H18.25", "STP", "Sở Tư pháp", "sở"},
	}
	for i := 1; i <= 45; i++ {
		units = append(units, demoUnit{
			fmt.Sprintf("xa%02d", i), fmt.Sprintf("H18.%d", 100+i), fmt.Sprintf("XA%02d", i), fmt.Sprintf("Ủy ban nhân dân xã số %02d", i), "xã",
		})
	}
	return units
}

func (u demoUnit) address() string { return u.name + "@" + demoDomain }

func (u demoUnit) login(role string) string { return role + "@" + u.name + "." + demoDomain }

func demoDomains() []config.Domain {
	domains := []config.Domain{demoDomain}
	for _, u := range demoUnits() {
		domains = append(domains, config.Domain(u.name+"."+demoDomain))
	}
	return domains
}

// makeProvince adds all units, accounts and groups, by the same calls that an
// administrator uses.
func (d *demo) makeProvince(ctx context.Context) error {
	svc := d.rooms.Control()
	units := demoUnits()
	for i, u := range units {
		parent := ""
		if i > 0 {
			parent = units[0].code
		}
		if err := svc.Call(ctx, control.CallUnitAdd, control.UnitAdd{
			Code: u.code, Name: u.title, ShortName: u.short, Kind: u.kind, Parent: parent, Address: u.address(),
		}, nil, nil); err != nil {
			return fmt.Errorf("add unit %s: %w", u.name, err)
		}
	}
	if err := d.makeAccounts(ctx, svc); err != nil {
		return err
	}
	var all, departments, communes []string
	for _, u := range units {
		all = append(all, u.address())
		switch u.kind {
		case "sở":
			departments = append(departments, u.address())
		case "xã":
			communes = append(communes, u.address())
		}
	}
	for _, g := range []control.GroupAdd{
		{Address: "cac-so@" + demoDomain, Name: "Các sở", Members: departments},
		{Address: "cac-xa@" + demoDomain, Name: "Các xã", Members: communes},
		{Address: "toan-tinh@" + demoDomain, Name: "Toàn tỉnh", Members: all},
	} {
		if err := svc.Call(ctx, control.CallGroupAdd, g, nil, nil); err != nil {
			return fmt.Errorf("add group %s: %w", g.Address, err)
		}
	}
	return nil
}

func (d *demo) makeAccounts(ctx context.Context, svc control.Caller) error {
	var csv strings.Builder
	csv.WriteString("login,name,unit,roles,password,quota_mib\n")
	add := func(login, name, unit, code, role string) {
		fmt.Fprintf(&csv, "%s,%s,%s,%s,,\n", login, name, code, role)
		d.accounts = append(d.accounts, demoAccount{Login: login, Unit: unit, Roles: []string{role}, Name: name})
	}
	for _, u := range demoUnits() {
		add(u.login("vanthu"), "Văn thư "+u.short, u.name, u.code, "vanthu")
		add(u.login("lanhdao"), "Lãnh đạo "+u.short, u.name, u.code, "lanhdao")
		add(u.login("chuyenvien1"), "Chuyên viên 1 "+u.short, u.name, u.code, "chuyenvien")
		add(u.login("chuyenvien2"), "Chuyên viên 2 "+u.short, u.name, u.code, "chuyenvien")
	}
	add("quantri@"+demoDomain, "Quản trị hệ thống", "", "", "quantri")
	add("kiemtra@"+demoDomain, "Kiểm tra", "", "", "kiemtra")
	made, err := importAccounts(ctx, svc, csv.String())
	if err != nil {
		return err
	}
	for i := range d.accounts {
		d.accounts[i].Password = made[d.accounts[i].Login]
	}
	return nil
}

// importAccounts adds the accounts of a list and gives the passwords that were made.
func importAccounts(ctx context.Context, svc control.Caller, csv string) (map[string]string, error) {
	var res control.AccountImported
	if err := svc.Call(ctx, control.CallAccountImport, control.AccountImport{CSV: csv}, &res, nil); err != nil {
		return nil, err
	}
	if len(res.Problems) > 0 {
		return nil, fmt.Errorf("line %d of the list of accounts: %s", res.Problems[0].Line, res.Problems[0].Text.EN)
	}
	made := make(map[string]string, len(res.Created))
	for _, a := range res.Created {
		made[a.Login] = a.Password
	}
	return made, nil
}

// bench serves 500 accounts for the benchmark until ctx ends.
func (d *demo) bench(ctx context.Context) error {
	const users, password = 500, "pass"
	fmt.Fprintf(d.cli.err, "making %d accounts …\n", users)
	var csv strings.Builder
	csv.WriteString("login,name,password\n")
	for i := 1; i <= users; i++ {
		login := fmt.Sprintf("u%d@bench.test", i)
		fmt.Fprintf(&csv, "%s,U%d,%s\n", login, i, password)
		d.accounts = append(d.accounts, demoAccount{Login: login, Password: password, Roles: []string{}, Name: fmt.Sprintf("U%d", i)})
	}
	if _, err := importAccounts(ctx, d.rooms.Control(), csv.String()); err != nil {
		return err
	}
	f := d.file()
	if err := f.write(d.opt.dir); err != nil {
		return err
	}
	fmt.Fprintf(d.cli.out, "-server \"name=vanthu,smtp=%s,smtps=%s,imap=%s,imaps=%s,user=u%%d@bench.test,pass=%s,pid=%d,data=%s\"\n",
		f.Submission, f.Submissions, f.IMAP, f.IMAPS, password, f.PID, d.cfg.DataDir)
	if d.opt.once {
		return nil
	}
	<-ctx.Done()
	return nil
}
