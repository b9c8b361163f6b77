package testkit

import (
	"context"
	"fmt"
	"strings"

	"vanthu/config"
	"vanthu/internal/control"
)

// Domain is the main mail domain of the test province.
const Domain = "dienbien.test"

// Folders of a unit's shared mailbox, as their role names them.
const (
	Mail       = "Thư đến"
	Waiting    = "Văn bản đến/1 Chờ tiếp nhận"
	Registered = "Văn bản đến/2 Đã vào sổ"
	Processing = "Văn bản đến/4 Đang xử lý"
	Completed  = "Văn bản đến/5 Hoàn thành"
	Refused    = "Văn bản đến/0 Từ chối/Thiếu chữ ký"
	Numbering  = "Văn bản đi/1 Chờ cấp số"
	Issued     = "Văn bản đi/2 Đã phát hành"
	Tracking   = "Theo dõi"
)

// unit is one unit of the test province; its short name is its name in upper case.
type unit struct{ name, code, title, kind string }

func units(communes int) []unit {
	list := []unit{
		{"ubnd", "H18", "Ủy ban nhân dân tỉnh", "tỉnh"},
		{"soyte", "H18.21", "Sở Y tế", "sở"},
	}
	for i := 1; i <= communes; i++ {
		list = append(list, unit{Commune(i), fmt.Sprintf("H18.%d", 100+i), fmt.Sprintf("Ủy ban nhân dân xã số %02d", i), "xã"})
	}
	return list
}

// Commune gives the name of the n-th commune: "xa01".
func Commune(n int) string { return fmt.Sprintf("xa%02d", n) }

// Address gives the public address of a unit.
func Address(unit string) string { return unit + "@" + Domain }

// Login gives the login of the account for a role in a unit: vanthu, lanhdao
// or chuyenvien.
func Login(role, unit string) string { return role + "@" + unit + "." + Domain }

// Communes is the group that holds all communes.
const Communes = "cac-xa@" + Domain

// Shared gives a folder of a unit as its people see it.
func Shared(unit, folder string) string {
	return "Đơn vị/" + strings.ToUpper(unit) + "/" + folder
}

// Domains are the mail domains of a province with so many communes.
func Domains(communes int) []config.Domain {
	list := []config.Domain{Domain}
	for _, u := range units(communes) {
		list = append(list, config.Domain(u.name+"."+Domain))
	}
	return list
}

// makeProvince adds units, accounts and groups by the calls that an
// administrator uses, and gives the passwords by login.
func makeProvince(ctx context.Context, svc control.Caller, communes int) (passwords map[string]string, err error) {
	var csv strings.Builder
	csv.WriteString("login,name,unit,roles,password\n")
	list := units(communes)
	var group []string
	for i, u := range list {
		parent := ""
		if i > 0 {
			parent = list[0].code
		}
		if err := svc.Call(ctx, control.CallUnitAdd, control.UnitAdd{
			Code: u.code, Name: u.title, ShortName: strings.ToUpper(u.name), Kind: u.kind, Parent: parent, Address: Address(u.name),
		}, nil, nil); err != nil {
			return nil, fmt.Errorf("add unit %s: %w", u.name, err)
		}
		for _, role := range []string{"vanthu", "lanhdao", "chuyenvien"} {
			fmt.Fprintf(&csv, "%s,%s %s,%s,%s,\n", Login(role, u.name), role, u.name, u.code, role)
		}
		if u.kind == "xã" {
			group = append(group, Address(u.name))
		}
	}
	fmt.Fprintf(&csv, "quantri@%s,Quản trị,,quantri,\nkiemtra@%s,Kiểm tra,,kiemtra,\n", Domain, Domain)
	var res control.AccountImported
	if err := svc.Call(ctx, control.CallAccountImport, control.AccountImport{CSV: csv.String()}, &res, nil); err != nil {
		return nil, fmt.Errorf("import accounts: %w", err)
	}
	if len(res.Problems) > 0 {
		return nil, fmt.Errorf("import accounts: line %d: %s", res.Problems[0].Line, res.Problems[0].Text.EN)
	}
	passwords = make(map[string]string, len(res.Created))
	for _, a := range res.Created {
		passwords[a.Login] = a.Password
	}
	return passwords, svc.Call(ctx, control.CallGroupAdd, control.GroupAdd{Address: Communes, Name: "Các xã", Members: group}, nil, nil)
}
