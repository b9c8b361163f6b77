package portal

import (
	"fmt"

	"vanthu/internal/fault"
)

// The languages of the portal; Vietnamese is the default.
const (
	vietnamese = "vi"
	english    = "en"
)

// text returns the sentence that stands under key in the catalogue. An
// unknown key is a programmer's error, which rendering at start brings to light.
func text(key, lang string, args ...any) string {
	entry, ok := catalogue[key]
	if !ok {
		panic("portal: no text " + key)
	}
	s := entry.VI
	if lang == english {
		s = entry.EN
	}
	if len(args) > 0 {
		return fmt.Sprintf(s, args...)
	}
	return s
}

// steps returns the numbered sentences key.1, key.2 and so on.
func steps(key, lang string) []string {
	var list []string
	for i := 1; ; i++ {
		k := fmt.Sprintf("%s.%d", key, i)
		if _, ok := catalogue[k]; !ok {
			return list
		}
		list = append(list, text(k, lang))
	}
}

// catalogue holds every sentence of the portal in both languages. It is never
// changed. A "%s" is filled in by the template.
var catalogue = map[string]fault.Text{
	"title":       {EN: "E-mail and electronic documents", VI: "Thư điện tử và văn bản điện tử"},
	"intro":       {EN: "This page tells how to connect a mail program on your computer or phone. It takes about five minutes.", VI: "Trang này hướng dẫn kết nối chương trình thư trên máy tính hoặc điện thoại, mất khoảng năm phút."},
	"skip":        {EN: "Skip to content", VI: "Đến nội dung chính"},
	"other.lang":  {EN: "Tiếng Việt", VI: "English"},
	"contents":    {EN: "On this page", VI: "Trong trang này"},
	"recommended": {EN: "recommended", VI: "nên dùng"},

	"settings":         {EN: "Connection settings", VI: "Thông số kết nối"},
	"settings.about":   {EN: "Most programs find these by themselves once you give your address. You only need the table for manual set-up.", VI: "Phần lớn chương trình tự tìm thông số khi biết địa chỉ thư. Chỉ cần bảng này khi cài đặt thủ công."},
	"server":           {EN: "Server", VI: "Máy chủ"},
	"server.about":     {EN: "the same for incoming and outgoing mail", VI: "dùng chung cho thư đến và thư đi"},
	"user":             {EN: "User name", VI: "Tên đăng nhập"},
	"user.about":       {EN: "your whole e-mail address, such as", VI: "địa chỉ thư đầy đủ, ví dụ"},
	"user.example":     {EN: "name@%s", VI: "ten@%s"},
	"password":         {EN: "Password", VI: "Mật khẩu"},
	"password.about":   {EN: "given to you by your administrator", VI: "do quản trị viên cấp"},
	"table.caption":    {EN: "Services and ports", VI: "Dịch vụ và cổng"},
	"table.service":    {EN: "Service", VI: "Dịch vụ"},
	"table.port":       {EN: "Port", VI: "Cổng"},
	"table.security":   {EN: "Security", VI: "Bảo mật"},
	"service.imap":     {EN: "Incoming mail (IMAP)", VI: "Thư đến (IMAP)"},
	"service.smtp":     {EN: "Outgoing mail (SMTP)", VI: "Thư đi (SMTP)"},
	"service.auth":     {EN: "Authentication for both: normal password, always under TLS.", VI: "Xác thực cho cả hai: mật khẩu thông thường, luôn trong kết nối TLS."},
	"service.disabled": {EN: "Mail services are switched off on this server.", VI: "Dịch vụ thư trên máy chủ này đang tắt."},

	"ca":               {EN: "Trust this server", VI: "Cài chứng chỉ của máy chủ"},
	"ca.about":         {EN: "This server has its own certification authority. Install its certificate once on each device, so that programs can tell this server from an impostor.", VI: "Máy chủ này có tổ chức chứng thực riêng. Cài chứng chỉ một lần trên mỗi thiết bị để chương trình phân biệt được máy chủ thật với máy chủ giả mạo."},
	"ca.compare":       {EN: "Before you trust it, compare this SHA-256 fingerprint with the one your administrator gave you:", VI: "Trước khi tin cậy, hãy đối chiếu dấu vân tay SHA-256 này với bản do quản trị viên cung cấp:"},
	"ca.crt":           {EN: "Certificate for Windows, Android (.crt)", VI: "Chứng chỉ cho Windows, Android (.crt)"},
	"ca.pem":           {EN: "Certificate for Thunderbird, Linux (.pem)", VI: "Chứng chỉ cho Thunderbird, Linux (.pem)"},
	"ca.windows":       {EN: "Windows (Outlook, web browsers)", VI: "Windows (Outlook, trình duyệt)"},
	"ca.windows.1":     {EN: "Open the downloaded .crt file and choose “Install Certificate…”.", VI: "Mở tệp .crt vừa tải và chọn “Install Certificate…” (Cài đặt chứng chỉ)."},
	"ca.windows.2":     {EN: "Choose “Local Machine”; without administrator rights, “Current User”.", VI: "Chọn “Local Machine” (Máy cục bộ); nếu không có quyền quản trị thì chọn “Current User” (Người dùng hiện tại)."},
	"ca.windows.3":     {EN: "Choose “Place all certificates in the following store” and then “Trusted Root Certification Authorities”.", VI: "Chọn “Place all certificates in the following store”, rồi chọn kho “Trusted Root Certification Authorities”."},
	"ca.windows.4":     {EN: "Finish, and start Outlook or the browser again.", VI: "Bấm “Finish” (Hoàn tất), sau đó mở lại Outlook hoặc trình duyệt."},
	"ca.thunderbird":   {EN: "Thunderbird", VI: "Thunderbird"},
	"ca.thunderbird.1": {EN: "Open Settings, “Privacy & Security”, “Certificates”, “Manage Certificates…”.", VI: "Mở Cài đặt, mục “Riêng tư & bảo mật”, “Chứng chỉ”, “Quản lý chứng chỉ…”."},
	"ca.thunderbird.2": {EN: "On the tab “Authorities” choose “Import…” and the downloaded .pem file.", VI: "Trong thẻ “Nhà thẩm quyền” (Authorities), bấm “Nhập…” và chọn tệp .pem vừa tải."},
	"ca.thunderbird.3": {EN: "Tick “Trust this CA to identify websites” and confirm.", VI: "Đánh dấu “Tin tưởng CA này để nhận diện các trang web” rồi xác nhận."},
	"ca.android":       {EN: "Android", VI: "Android"},
	"ca.android.1":     {EN: "Download the .crt file on the phone.", VI: "Tải tệp .crt về điện thoại."},
	"ca.android.2":     {EN: "Open Settings, “Security”, “Encryption & credentials”, “Install a certificate”, “CA certificate”.", VI: "Mở Cài đặt, “Bảo mật”, “Mã hóa và thông tin xác thực”, “Cài đặt chứng chỉ”, “Chứng chỉ CA”."},
	"ca.android.3":     {EN: "Confirm, and choose the downloaded file.", VI: "Xác nhận và chọn tệp vừa tải."},

	"thunderbird":   {EN: "Thunderbird on a computer", VI: "Thunderbird trên máy tính"},
	"thunderbird.1": {EN: "Open the menu ☰ and choose “New Account”, then “Email”.", VI: "Mở trình đơn ☰, chọn “Tài khoản mới”, rồi “Thư điện tử”."},
	"thunderbird.2": {EN: "Enter your name, your whole e-mail address and your password, and choose “Continue”.", VI: "Nhập họ tên, địa chỉ thư đầy đủ và mật khẩu, rồi bấm “Tiếp tục”."},
	"thunderbird.3": {EN: "Thunderbird finds the settings by itself. Check that “IMAP” is chosen, and choose “Done”.", VI: "Thunderbird tự tìm thông số. Kiểm tra đã chọn “IMAP” rồi bấm “Hoàn tất”."},
	"thunderbird.4": {EN: "If nothing is found, choose “Configure manually” and take server, port and security from the table above.", VI: "Nếu không tìm thấy, chọn “Cấu hình thủ công” và nhập máy chủ, cổng, bảo mật theo bảng ở trên."},

	"outlook":   {EN: "Outlook for Windows", VI: "Outlook trên Windows"},
	"outlook.1": {EN: "Choose “File”, then “Add Account”.", VI: "Chọn “File” (Tệp), rồi “Add Account” (Thêm tài khoản)."},
	"outlook.2": {EN: "Enter your whole e-mail address, open “Advanced options”, tick “Let me set up my account manually”, and choose “Connect”.", VI: "Nhập địa chỉ thư đầy đủ, mở “Advanced options” (Tùy chọn nâng cao), đánh dấu “Let me set up my account manually” (Thiết lập thủ công), rồi bấm “Connect” (Kết nối)."},
	"outlook.3": {EN: "Choose “IMAP”. Take server, port and encryption for incoming and outgoing mail from the table above, and choose “Next”.", VI: "Chọn “IMAP”. Nhập máy chủ, cổng và mã hóa cho thư đến và thư đi theo bảng ở trên, rồi bấm “Next” (Tiếp theo)."},
	"outlook.4": {EN: "Enter your password and choose “Connect”.", VI: "Nhập mật khẩu và bấm “Connect” (Kết nối)."},

	"phone":        {EN: "Phone and tablet", VI: "Điện thoại và máy tính bảng"},
	"apple":        {EN: "iPhone, iPad and Mac", VI: "iPhone, iPad và Mac"},
	"apple.about":  {EN: "Enter your address to download a profile with all settings. It holds no password; the device asks for it.", VI: "Nhập địa chỉ thư để tải hồ sơ cấu hình có sẵn mọi thông số. Hồ sơ không chứa mật khẩu; thiết bị sẽ hỏi khi cài."},
	"apple.label":  {EN: "Your e-mail address", VI: "Địa chỉ thư của bạn"},
	"apple.button": {EN: "Download profile", VI: "Tải hồ sơ"},
	"apple.1":      {EN: "Open the downloaded profile: Settings, “Profile Downloaded”, “Install”. On a Mac: System Settings, “Device Management”.", VI: "Mở hồ sơ vừa tải: Cài đặt, “Đã tải về hồ sơ”, “Cài đặt”. Trên máy Mac: Cài đặt hệ thống, “Quản lý thiết bị”."},
	"apple.2":      {EN: "Enter your password when asked.", VI: "Nhập mật khẩu khi được hỏi."},
	"apple.trust":  {EN: "Open Settings, “General”, “About”, “Certificate Trust Settings”, and switch this server's certificate on.", VI: "Mở Cài đặt, “Cài đặt chung”, “Giới thiệu”, “Cài đặt tin cậy chứng nhận” và bật chứng chỉ của máy chủ này."},
	"android":      {EN: "Android", VI: "Android"},
	"android.1":    {EN: "In your mail app choose “Add account”, then “Other” or “IMAP”.", VI: "Trong ứng dụng thư, chọn “Thêm tài khoản”, rồi “Khác” hoặc “IMAP”."},
	"android.2":    {EN: "Enter your whole e-mail address and your password.", VI: "Nhập địa chỉ thư đầy đủ và mật khẩu."},
	"android.3":    {EN: "If the app asks, take server, port and security from the table above.", VI: "Nếu ứng dụng hỏi, nhập máy chủ, cổng và bảo mật theo bảng ở trên."},
	"qr.alt":       {EN: "QR code of this page's address, %s", VI: "Mã QR chứa địa chỉ trang này, %s"},
	"qr.about":     {EN: "Point the phone's camera here to open this page on the phone.", VI: "Hướng máy ảnh điện thoại vào mã này để mở trang trên điện thoại."},
	"documents":    {EN: "Official documents by mail", VI: "Gửi, nhận văn bản qua thư"},
	"documents.1":  {EN: "To send, attach the document and begin the subject with its number and symbol, for instance:", VI: "Gửi: đính kèm văn bản và mở đầu tiêu đề bằng số, ký hiệu, ví dụ:"},
	"documents.2":  {EN: "The server registers the document and tells you when each unit receives, registers or completes it.", VI: "Máy chủ ghi nhận văn bản và báo lại khi từng đơn vị tiếp nhận, vào sổ, hoàn thành."},
	"documents.3":  {EN: "Unit clerks find incoming documents in the folder “1 Chờ tiếp nhận” and register one by moving it to “2 Đã vào sổ”.", VI: "Văn thư đơn vị thấy văn bản đến trong thư mục “1 Chờ tiếp nhận” và vào sổ bằng cách chuyển sang “2 Đã vào sổ”."},
	"documents.4":  {EN: "Never send state secrets by this system.", VI: "Không gửi văn bản thuộc bí mật nhà nước qua hệ thống này."},
	"subject":      {EN: "[123/QĐ-UBND] V/v …", VI: "[123/QĐ-UBND] V/v …"},
	"help":         {EN: "If it does not work", VI: "Khi chưa kết nối được"},
	"help.1":       {EN: "The user name must be your whole e-mail address, not only the part before @.", VI: "Tên đăng nhập phải là địa chỉ thư đầy đủ, không chỉ phần trước dấu @."},
	"help.2":       {EN: "Your device must be inside the office network or its VPN.", VI: "Thiết bị phải ở trong mạng cơ quan hoặc mạng riêng ảo (VPN) của cơ quan."},
	"help.3":       {EN: "After several wrong passwords the server waits before it takes another. Try again after 15 minutes.", VI: "Sau nhiều lần sai mật khẩu, máy chủ tạm ngừng nhận đăng nhập. Hãy thử lại sau 15 phút."},
	"help.4":       {EN: "If a program warns of the certificate, do not click it away: install the certificate, or ask your administrator.", VI: "Nếu chương trình cảnh báo về chứng chỉ, không bỏ qua: hãy cài chứng chỉ hoặc hỏi quản trị viên."},
	"footer":       {EN: "Internal system of %s.", VI: "Hệ thống nội bộ của %s."},
	"back":         {EN: "Back to the start page", VI: "Về trang đầu"},
	"problem":      {EN: "The server cannot answer this request", VI: "Máy chủ không trả lời được yêu cầu này"},
	"problem.400":  {EN: "The request is not complete or not correct. Check the address you entered.", VI: "Yêu cầu thiếu hoặc không đúng. Hãy kiểm tra địa chỉ đã nhập."},
	"problem.403":  {EN: "The request came from another site and was refused.", VI: "Yêu cầu đến từ trang khác nên bị từ chối."},
	"problem.404":  {EN: "There is nothing at this address.", VI: "Không có gì ở địa chỉ này."},
	"problem.405":  {EN: "This address cannot be used that way.", VI: "Không dùng được địa chỉ này theo cách đó."},
	"problem.413":  {EN: "The request is too large.", VI: "Yêu cầu quá lớn."},
	"problem.415":  {EN: "The request is written in a form this server does not read.", VI: "Yêu cầu viết ở dạng máy chủ không đọc."},
	"problem.421":  {EN: "The name in the address is not one of this server.", VI: "Tên trong địa chỉ không phải của máy chủ này."},
	"problem.500":  {EN: "Something went wrong on this server.", VI: "Máy chủ gặp lỗi."},
	"problem.501":  {EN: "The server does not know this kind of request.", VI: "Máy chủ không biết loại yêu cầu này."},
}
