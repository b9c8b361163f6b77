// Package config reads the server's one configuration file. It fills in
// defaults, lets the environment override them, and reports everything that
// is wrong at once, each with its key, its line and a hint.
//
// What changes while the server runs (units, accounts, groups, aliases) lies
// in the database, not here. The file never holds a secret, only the names of
// files that do.
//
// The comments on the fields of [Config] are the comments of the sample file:
// [Format] reads them from this very source, so the two cannot drift apart.
package config

import (
	_ "embed" // the source of this file, for Format
	"log/slog"
	"net/netip"
	"time"

	"vanthu/internal/worktime"
)

//go:embed config.go
var source []byte

// Config is the whole configuration. Names of files and folders are absolute
// after [Load]: in the file they count from the folder the file lies in.
type Config struct {
	// Folder that holds all data: the database, message bodies, the journal's
	// checkpoints, the server's own certification authority. Back this up.
	DataDir string `toml:"data_dir" env:"DATA_DIR"`

	// Mail domains this server is responsible for, the main one first.
	// Addresses in any other domain are outside.
	Domains []Domain `toml:"domains" env:"DOMAINS" sample:"[\"tinh.example\"]"`

	// Who this server is.
	Server Server `toml:"server" envPrefix:"SERVER_"`
	// SMTP and LMTP: how mail comes in. An address is "host:port", ":port" for
	// all interfaces, or "" (in the environment: "off") for not at all.
	SMTP SMTP `toml:"smtp" envPrefix:"SMTP_"`
	// IMAP: how people read mail.
	IMAP IMAP `toml:"imap" envPrefix:"IMAP_"`
	// The web: start page, automatic set-up of mail clients, health, metrics.
	HTTP HTTP `toml:"http" envPrefix:"HTTP_"`
	// Certificate of all services. With both files empty the server makes a
	// certificate of its own, signed by an authority under data_dir whose
	// public part people can fetch from the start page.
	TLS TLS `toml:"tls" envPrefix:"TLS_"`
	// Passwords in another directory: LDAP, Active Directory. Off without a URL.
	// SCRAM is then not offered to anybody: the directory must see passwords.
	LDAP LDAP `toml:"ldap" envPrefix:"LDAP_"`
	// Log-in by a token of an OpenID Connect provider (OAUTHBEARER, XOAUTH2).
	// Off without an issuer.
	OIDC OIDC `toml:"oidc" envPrefix:"OIDC_"`
	// How accepted mail is handed to mailboxes.
	Delivery Delivery `toml:"delivery" envPrefix:"DELIVERY_"`
	// Who mail is from: signatures on what our people send, checks on what other
	// servers bring.
	Trust Trust `toml:"trust" envPrefix:"TRUST_"`
	// What mail may carry. A message that is held waits for an administrator:
	// see "vanthu quarantine".
	Filters Filters `toml:"filters" envPrefix:"FILTERS_"`
	// Official documents in mail. Two things are law and cannot be configured:
	// registers and deadlines follow the local date of Việt Nam (+07:00), and
	// mail marked MẬT, TỐI MẬT or TUYỆT MẬT is refused.
	Documents Documents `toml:"documents" envPrefix:"DOCUMENTS_"`
	// Exchange of documents with other systems by edXML files (QCVN 102:2016) in
	// two folders, which their adapter fills and empties.
	EdXML EdXML `toml:"edxml" envPrefix:"EDXML_"`
	// The text of attached PDF and office files, for search and recognition.
	Extract Extract `toml:"extract" envPrefix:"EXTRACT_"`
	// Mail that must leave this server.
	Queue Queue `toml:"queue" envPrefix:"QUEUE_"`
	// Limits on what one person or a stranger can make large.
	Limits Limits `toml:"limits" envPrefix:"LIMITS_"`
	// The log, written to standard error. It never holds subjects or bodies.
	Log Log `toml:"log" envPrefix:"LOG_"`
	// The tamper-evident journal of everything that happens.
	Journal Journal `toml:"journal" envPrefix:"JOURNAL_"`

	// Where mail for outside domains goes. Without any route this server is
	// internal only and refuses recipients outside its own domains. Other vanthu
	// servers need no route: see "vanthu peer".
	Routes []Route `toml:"route"`

	origins map[string]origin
}

// Server is section [server].
type Server struct {
	// Name of this machine as clients reach it; it stands in greetings, in the
	// certificate and in set-up profiles. Empty means "mail." and the first domain.
	Hostname Host `toml:"hostname" env:"HOSTNAME" sample:"\"mail.tinh.example\""`
	// Organisation, as the start page shows it.
	Organisation string `toml:"organisation" env:"ORGANISATION" sample:"\"Ủy ban nhân dân tỉnh\""`
	// Networks of load balancers in front of the mail services. Each
	// connection from them must begin with a header of the PROXY protocol
	// (version 1 or 2), which tells the client's address; from anybody else
	// such a header is refused.
	Proxies []netip.Prefix `toml:"proxies" env:"PROXIES"`
}

// SMTP is section [smtp].
type SMTP struct {
	// Mail from other servers, to our own domains only.
	Relay Listen `toml:"relay" env:"RELAY"`
	// Mail from people's clients, with STARTTLS.
	Submission Listen `toml:"submission" env:"SUBMISSION"`
	// Mail from people's clients, TLS from the first byte. Preferred by RFC 8314.
	Submissions Listen `toml:"submissions" env:"SUBMISSIONS"`
	// Mail from a filter or relay on the same site, by LMTP. Whoever reaches
	// this port may deliver to every mailbox: keep it on loopback.
	LMTP Listen `toml:"lmtp" env:"LMTP"`
	// Largest message taken, in MiB.
	MaxMessageMiB int `toml:"max_message_mib" env:"MAX_MESSAGE_MIB"`
	// Most recipients of one message.
	MaxRecipients int `toml:"max_recipients" env:"MAX_RECIPIENTS"`
	// Most connections from one address to the relay port.
	RelayConnectionsPerAddress int `toml:"relay_connections_per_address" env:"RELAY_CONNECTIONS_PER_ADDRESS"`
	// Longest SMTP session, whatever happens in it.
	SessionTimeout Duration `toml:"session_timeout" env:"SESSION_TIMEOUT"`
	// Longest time for which people may have a message kept back, to be
	// delivered later (FUTURERELEASE, RFC 4865). 0 does not offer it.
	MaxHold Duration `toml:"max_hold" env:"MAX_HOLD"`
	// Take messages whose header has letters beyond ASCII although the program
	// did not ask for SMTPUTF8. Old scanners and programs send such.
	RawHeaders bool `toml:"raw_headers" env:"RAW_HEADERS"`
	// Take passwords without TLS from programs on this machine. From anywhere
	// else a password without TLS is always refused.
	AllowPlaintextAuthOnLoopback bool `toml:"allow_plaintext_auth_on_loopback" env:"ALLOW_PLAINTEXT_AUTH_ON_LOOPBACK"`
}

// IMAP is section [imap].
type IMAP struct {
	// IMAP with STARTTLS.
	IMAP Listen `toml:"imap" env:"IMAP"`
	// IMAP, TLS from the first byte. Preferred by RFC 8314.
	IMAPS Listen `toml:"imaps" env:"IMAPS"`
	// Most sessions of one account from one address. Apple Mail opens many.
	SessionsPerAccount int `toml:"sessions_per_account" env:"SESSIONS_PER_ACCOUNT"`
}

// HTTP is section [http].
type HTTP struct {
	// Web without TLS.
	HTTP Listen `toml:"http" env:"HTTP"`
	// Web with TLS.
	HTTPS Listen `toml:"https" env:"HTTPS"`
	// Further names under which people reach the web part, besides the
	// hostname, "autoconfig." and "autodiscover." of each domain. Requests for
	// any other name are refused.
	PublicNames []Host `toml:"public_names" env:"PUBLIC_NAMES"`
	// Networks that may read /metrics besides this machine itself.
	MetricsFrom []netip.Prefix `toml:"metrics_from" env:"METRICS_FROM"`
}

// TLS is section [tls].
type TLS struct {
	// Certificate chain, PEM.
	CertFile string `toml:"cert_file" env:"CERT_FILE"`
	// Private key, PEM. Refused when everybody on this machine may read it.
	KeyFile string `toml:"key_file" env:"KEY_FILE"`
	// Certificates, PEM, of the authorities that issue certificates to people.
	// Who shows one of theirs may log in by it (EXTERNAL): to the account
	// whose login stands among its e-mail addresses (subjectAltName,
	// rfc822Name). Empty means that no client is asked for a certificate.
	ClientCAFile string `toml:"client_ca_file" env:"CLIENT_CA_FILE"`
	// Oldest version of TLS taken: "1.2" or "1.3".
	MinVersion string `toml:"min_version" env:"MIN_VERSION"`
}

// LDAP is section [ldap].
type LDAP struct {
	// "ldaps://dc1.tinh.example", or "ldap://…" with starttls.
	URL string `toml:"url" env:"URL"`
	// Demand TLS on ldap://. Without TLS passwords cross the network in clear:
	// refused but for this machine itself.
	StartTLS bool `toml:"starttls" env:"STARTTLS"`
	// Authorities, PEM, that sign the directory's certificate. Empty means
	// those that this machine trusts.
	CAFile string `toml:"ca_file" env:"CA_FILE"`
	// Mail domains whose accounts have their password there. Empty means all.
	Domains []Domain `toml:"domains" env:"DOMAINS"`
	// Whom to bind as: {login}, {local} and {domain} stand for the login and
	// its parts. "uid={local},ou=people,dc=tinh,dc=example"; for Active
	// Directory "{login}" where it is the userPrincipalName.
	BindDN string `toml:"bind_dn" env:"BIND_DN"`
	// Instead of bind_dn: where to search for the entry to bind as.
	SearchBase string `toml:"search_base" env:"SEARCH_BASE"`
	// What to search for.
	SearchFilter string `toml:"search_filter" env:"SEARCH_FILTER"`
	// Whom to search as. Empty means nobody.
	SearchDN string `toml:"search_dn" env:"SEARCH_DN"`
	// File that holds the password to search with. Refused when everybody on
	// this machine may read it.
	SearchPasswordFile string `toml:"search_password_file" env:"SEARCH_PASSWORD_FILE"`
	// Longest wait for an answer. A directory that does not answer is no
	// wrong password: clients are told to try again.
	Timeout Duration `toml:"timeout" env:"TIMEOUT"`
}

// OIDC is section [oidc].
type OIDC struct {
	// URL of the provider, exactly as its tokens name it.
	Issuer string `toml:"issuer" env:"ISSUER"`
	// Whom tokens must be for ("aud"): this server as the provider knows it.
	Audience string `toml:"audience" env:"AUDIENCE"`
	// Claim that holds the login.
	Claim string `toml:"claim" env:"CLAIM"`
	// Authorities, PEM, that sign the provider's certificate. Empty means
	// those that this machine trusts.
	CAFile string `toml:"ca_file" env:"CA_FILE"`
}

// Delivery is section [delivery].
type Delivery struct {
	// A message that the same sender hands over again within this time, byte
	// for byte and for the same recipients, is not delivered twice: clients
	// repeat when an answer was lost.
	DedupeWindow Duration `toml:"dedupe_window" env:"DEDUPE_WINDOW"`
}

// Trust is section [trust].
type Trust struct {
	// Sign what our people send (DKIM). "vanthu domain dns" prints what other
	// servers must know to check it.
	Sign bool `toml:"sign" env:"SIGN"`
	// Check the signatures of mail from other servers: with the keys of
	// "vanthu domain key trust", and with DNS if it is asked.
	Verify bool `toml:"verify" env:"VERIFY"`
	// DNS for keys, SPF and DMARC: "off" in a network without it, "system" for
	// what this machine uses, or "address:port" of a server.
	DNS string `toml:"dns" env:"DNS"`
	// The most that is done with mail that does not come from where it says,
	// when the domain that it names wants that (DMARC; a domain whose keys are
	// known here, our own too, always does): "refuse", "hold" or "accept".
	Forged Verdict `toml:"forged" env:"FORGED"`
	// What is done with mail from other servers that has not exactly one From.
	Authorless Verdict `toml:"authorless" env:"AUTHORLESS"`
}

// Filters is section [filters].
type Filters struct {
	// Look at attachments at all.
	Attachments bool `toml:"attachments" env:"ATTACHMENTS"`
	// Kinds of files that may come in, by extension; what a file holds must fit.
	// All others are refused, and programs whatever their name.
	Allow []string `toml:"allow" env:"ALLOW"`
	// Kinds of files that are held, so that an administrator looks first.
	Hold []string `toml:"hold" env:"HOLD"`
	// Office documents with macros, encrypted files, archives in archives.
	Risky Verdict `toml:"risky" env:"RISKY"`
	// Largest message that an account may send, by role, of several the most:
	// "vanthu", "lanhdao", "chuyenvien", "quantri", "kiemtra". A role without a
	// figure has only the limit of smtp.max_message_mib.
	SizeByRole []RoleSize `toml:"size_by_role" env:"SIZE_BY_ROLE"`
	// Filter programs (milters), asked in this order. Each is "NAME ADDRESS" and
	// what differs from timeout=30s, failure=auto, from=submission+relay+lmtp. An
	// address is "tcp:127.0.0.1:7357" or "unix:/run/clamav/milter.ctl". When a
	// program does not answer, failure=later puts the sender off, mark accepts
	// the mail with a note, hold holds it; auto is later for mail to units and
	// mark for other mail. Such as
	// ["clamav unix:/run/clamav/clamav-milter.ctl failure=later"].
	Milters []Milter `toml:"milters" env:"MILTERS"`
	// A held message that nobody has decided about is dropped after this time;
	// its sender is told.
	HoldTime Duration `toml:"hold_time" env:"HOLD_TIME"`
}

// Documents is section [documents].
type Documents struct {
	// A document's tracking message in its sender's mailbox is renewed at most
	// this often.
	TrackingInterval Duration `toml:"tracking_interval" env:"TRACKING_INTERVAL"`
	// Working hours, by which deadlines are counted; a unit may have its own (see
	// "vanthu unit due"). A line for each group of days: ["mon-fri 07:30-11:30
	// 13:30-17:00", "sat 07:30-11:30"].
	Hours []string `toml:"hours" env:"HOURS"`
	// Files of public holidays and of days on which work is made up for (làm bù),
	// such as one a year. "vanthu init --holidays" prints one to begin with. Without
	// any, only Saturdays and Sundays are free.
	Holidays []string `toml:"holidays" env:"HOLIDAYS"`
	// When people get their mail of the morning about what waits for them, on
	// working days; "off" for never.
	Digest string `toml:"digest" env:"DIGEST"`
	// A unit that has not acted on an urgent document after this time is reminded,
	// and its leaders are told.
	UrgentLimit Duration `toml:"urgent_limit" env:"URGENT_LIMIT"`
	// A document to another server from which nothing is heard: after this time its
	// sender is warned, …
	NewsWarning Duration `toml:"news_warning" env:"NEWS_WARNING"`
	// … and after this time it is given up.
	NewsExpiry Duration `toml:"news_expiry" env:"NEWS_EXPIRY"`
	// The same two for urgent documents.
	UrgentNewsWarning Duration `toml:"urgent_news_warning" env:"URGENT_NEWS_WARNING"`
	// See urgent_news_warning.
	UrgentNewsExpiry Duration `toml:"urgent_news_expiry" env:"URGENT_NEWS_EXPIRY"`
	// Put signed receipts of what becomes of a document into the sender's folder
	// "Biên nhận".
	Receipts bool `toml:"receipts" env:"RECEIPTS"`
	// Working days that units have to say their opinion when they are asked
	// ([LẤY Ý KIẾN]) and the question names no deadline.
	ConsultDays int `toml:"consult_days" env:"CONSULT_DAYS"`
	// What it means that a unit has said nothing by then: "khong_tra_loi" (no
	// answer) or "coi_nhu_dong_y" (it agrees).
	ConsultSilence string `toml:"consult_silence" env:"CONSULT_SILENCE"`
}

// EdXML is section [edxml].
type EdXML struct {
	// Folder from which packages and statuses (*.edxml) are taken. A file is
	// written there under a name that begins with "." and renamed; what has been
	// taken is then in its folders done or error. Empty means that nothing is.
	Inbox string `toml:"inbox" env:"INBOX"`
	// Folder into which packages and statuses for other systems are written,
	// each whole. Empty means none are, and no organisation has an address.
	Outbox string `toml:"outbox" env:"OUTBOX"`
	// Organisations that are reached so, each "CODE ADDRESS NAME"; older
	// codes follow the code with "+". Documents to the address go to the outbox.
	// Its domain must be none of this server's, and no route leads there. Such as
	// ["H49.12+000.00.12.H49 h49.12@truc.tinh.example Sở Y tế Quảng Ninh"].
	Organs []Organ `toml:"organs" env:"ORGANS"`
	// How often the inbox is looked into.
	Poll Duration `toml:"poll" env:"POLL"`
}

// Extract is section [extract]: the reading of attached PDF and office files,
// for search and recognition, in a child process that sees neither network nor
// files.
type Extract struct {
	// Without it such files are found by their names only.
	Enabled bool `toml:"enabled" env:"ENABLED"`
	// What takes longer for one file is given up.
	Timeout Duration `toml:"timeout" env:"TIMEOUT"`
	// The child ends after this time without work.
	Idle Duration `toml:"idle" env:"IDLE"`
}

// Queue is section [queue].
type Queue struct {
	// Waiting times after the first, second, … attempt that failed; the last
	// one repeats until expiry.
	Retry []Duration `toml:"retry" env:"RETRY"`
	// After this time the sender is told that the message could not be delivered.
	Expiry Duration `toml:"expiry" env:"EXPIRY"`
	// Connections to other servers at the same time.
	Workers int `toml:"workers" env:"WORKERS"`
	// Of these, most to one server: one that is slow must not hold up the others.
	PerDestination int `toml:"per_destination" env:"PER_DESTINATION"`
	// Ended entries are kept this long for "vanthu queue list --all"; the
	// journal keeps what became of them.
	Keep Duration `toml:"keep" env:"KEEP"`
	// DNS server, "address:port", that checks DNSSEC (unbound on this machine);
	// its word is believed. Needed for DANE on routes by MX records. Empty means
	// the machine's own resolver, without DANE.
	Resolver string `toml:"resolver" env:"RESOLVER"`
}

// Route is one section [[route]]: the way to an outside domain.
type Route struct {
	// Domain this way leads to, or "*" for all that have no route of their own.
	Domain string `toml:"domain" sample:"\"bo.example\""`
	// Server that takes the mail. With mx = true there is none here.
	Host Host `toml:"host" sample:"\"mail.bo.example\""`
	// Its port.
	Port int `toml:"port"`
	// Find the servers by the MX records of each recipient's domain, as on the
	// Internet. DANE and MTA-STS are honoured where the domain has them.
	MX bool `toml:"mx"`
	// Only these units may send by this way, by code, address or short name.
	// Empty means all.
	Units []string `toml:"units"`
	// "starttls" (demanded, certificate checked), "implicit" (TLS from the
	// first byte), "opportunistic" (TLS when it can be had, nothing is checked)
	// or "none".
	TLS RouteTLS `toml:"tls"`
	// SHA-256 of the server's certificate, or of the authority's that signs it,
	// in hex, when this machine does not trust it already. Empty means the
	// machine's trusted authorities decide.
	Fingerprint string `toml:"fingerprint"`
	// How to log in: "" for the strongest that the server offers, "plain",
	// "login" or "scram-sha-256".
	Auth string `toml:"auth"`
	// Name to log in with. Empty means no log-in.
	Username string `toml:"username"`
	// File that holds the password. Refused when everybody on this machine may read it.
	PasswordFile string `toml:"password_file"`
}

// Limits is section [limits].
type Limits struct {
	// Most connections to all mail services together.
	Connections int `toml:"connections" env:"CONNECTIONS"`
	// Of these, kept free for addresses that have logged in lately.
	ConnectionsReserved int `toml:"connections_reserved" env:"CONNECTIONS_RESERVED"`
	// Most connections of mail clients (submission and IMAP together) from one
	// address. Raise it where a whole unit sits behind one address.
	ConnectionsPerAddress int `toml:"connections_per_address" env:"CONNECTIONS_PER_ADDRESS"`
	// Most web connections from one address.
	WebConnectionsPerAddress int `toml:"web_connections_per_address" env:"WEB_CONNECTIONS_PER_ADDRESS"`
	// Most messages that one account may send in an hour of the clock. 0 means
	// no limit, here and below. Who comes to a limit is told when to go on.
	MessagesPerHour int `toml:"messages_per_hour" env:"MESSAGES_PER_HOUR"`
	// Most recipients of its messages in an hour; a group counts once.
	RecipientsPerHour int `toml:"recipients_per_hour" env:"RECIPIENTS_PER_HOUR"`
	// The same for a day of Việt Nam.
	RecipientsPerDay int `toml:"recipients_per_day" env:"RECIPIENTS_PER_DAY"`
	// The same three for accounts with the role of a clerk (văn thư).
	ClerkMessagesPerHour int `toml:"clerk_messages_per_hour" env:"CLERK_MESSAGES_PER_HOUR"`
	// See clerk_messages_per_hour.
	ClerkRecipientsPerHour int `toml:"clerk_recipients_per_hour" env:"CLERK_RECIPIENTS_PER_HOUR"`
	// See clerk_messages_per_hour.
	ClerkRecipientsPerDay int `toml:"clerk_recipients_per_day" env:"CLERK_RECIPIENTS_PER_DAY"`
	// Quota of an account that was given none, in MiB. 0 means no quota.
	QuotaMiB int `toml:"quota_mib" env:"QUOTA_MIB"`
	// New mail is refused for the time being when the disk has less room than this.
	MinFree Size `toml:"min_free" env:"MIN_FREE"`
}

// Log is section [log].
type Log struct {
	// "debug", "info", "warn" or "error".
	Level slog.Level `toml:"level" env:"LEVEL"`
	// "text", "json", or "auto": text on a terminal, else JSON.
	Format string `toml:"format" env:"FORMAT"`
}

// Journal is section [journal].
type Journal struct {
	// Ed25519 key that signs checkpoints; made at the first start when there
	// is none. Empty means under data_dir. Keep it on another disk or machine
	// than the data if you can.
	KeyFile string `toml:"key_file" env:"KEY_FILE"`
	// A checkpoint is signed at least this often while something happens.
	CheckpointInterval Duration `toml:"checkpoint_interval" env:"CHECKPOINT_INTERVAL"`
}

// Default returns the configuration of an empty file. It has no domains, so
// it does not pass validation by itself.
func Default() *Config {
	return &Config{
		DataDir: "/var/lib/vanthu",
		SMTP: SMTP{
			Relay: ":25", Submission: ":587", Submissions: ":465",
			MaxMessageMiB: 50, MaxRecipients: 1000,
			RelayConnectionsPerAddress:   50,
			SessionTimeout:               Duration(30 * time.Minute),
			MaxHold:                      Duration(30 * 24 * time.Hour),
			AllowPlaintextAuthOnLoopback: true,
		},
		IMAP: IMAP{
			IMAP: ":143", IMAPS: ":993",
			SessionsPerAccount: 10,
		},
		HTTP:     HTTP{HTTP: ":80", HTTPS: ":443"},
		TLS:      TLS{MinVersion: "1.2"},
		LDAP:     LDAP{SearchFilter: "(mail={login})", Timeout: Duration(10 * time.Second)},
		OIDC:     OIDC{Claim: "email"},
		Delivery: Delivery{DedupeWindow: Duration(24 * time.Hour)},
		Trust:    Trust{Sign: true, Verify: true, DNS: "off", Forged: Refuse, Authorless: Refuse},
		Filters: Filters{
			Attachments: true,
			// What NĐ 30/2020 and edXML need, and what offices exchange.
			Allow: []string{
				"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "odp", "rtf", "txt", "csv", "xml", "edxml",
				"jpg", "jpeg", "png", "gif", "tif", "tiff", "bmp", "webp", "zip", "eml", "ics", "vcf",
				"p7s", "p7m", "p7b", "cer", "crt", "asc", "sig", "dwg", "dxf",
			},
			Hold: []string{"rar", "7z", "gz", "tar", "tgz", "html", "htm", "msg", "dat"}, Risky: Hold,
			HoldTime: Duration(30 * 24 * time.Hour),
		},
		Documents: Documents{
			ConsultDays: 5, ConsultSilence: silenceNone,
			TrackingInterval: Duration(5 * time.Minute), Hours: worktime.Office().Lines(), Digest: "07:30",
			UrgentLimit: Duration(30 * time.Minute), NewsWarning: Duration(12 * time.Hour), NewsExpiry: Duration(24 * time.Hour),
			UrgentNewsWarning: Duration(15 * time.Minute), UrgentNewsExpiry: Duration(time.Hour), Receipts: true,
		},
		EdXML:   EdXML{Poll: Duration(2 * time.Second)},
		Extract: Extract{Enabled: true, Timeout: Duration(20 * time.Second), Idle: Duration(time.Minute)},
		Queue: Queue{
			Retry: []Duration{
				Duration(time.Minute), Duration(5 * time.Minute), Duration(15 * time.Minute),
				Duration(30 * time.Minute), Duration(time.Hour),
			},
			Expiry:  Duration(4 * 24 * time.Hour),
			Workers: 20, PerDestination: 4,
			Keep: Duration(30 * 24 * time.Hour),
		},
		Limits: Limits{
			Connections: 10_000, ConnectionsReserved: 500, ConnectionsPerAddress: 100, WebConnectionsPerAddress: 200,
			MessagesPerHour: 300, RecipientsPerHour: 2000, RecipientsPerDay: 5000,
			ClerkMessagesPerHour: 3000, ClerkRecipientsPerHour: 50_000, ClerkRecipientsPerDay: 200_000,
			MinFree: 2 << 30,
		},
		Log:     Log{Level: slog.LevelInfo, Format: "auto"},
		Journal: Journal{CheckpointInterval: Duration(time.Minute)},
	}
}

// defaultRoute is what a [[route]] section starts from.
func defaultRoute() Route { return Route{Port: 25, TLS: StartTLS} }
