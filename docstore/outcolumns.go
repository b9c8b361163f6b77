package docstore

// OutColumns are the ten columns of the register of outgoing documents as they
// were when the entry was made: NĐ 30/2020, Phụ lục IV. Dates are Vietnam
// local, YYYY-MM-DD, "" when not known.
type OutColumns struct {
	Code       string `json:"so_ky_hieu"`
	Issued     string `json:"ngay_thang_van_ban"`
	Title      string `json:"ten_loai_va_trich_yeu"`
	Signer     string `json:"nguoi_ky"`
	Recipients string `json:"noi_nhan"`
	Keeper     string `json:"don_vi_nguoi_nhan_ban_luu"`
	Copies     int    `json:"so_luong_ban"`
	Handed     string `json:"ngay_chuyen"`
	Signed     string `json:"ky_nhan"`
	Remark     string `json:"ghi_chu"`
}
