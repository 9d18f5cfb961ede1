package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

func TestLoadOfNothingGivesTheContractsDefaults(t *testing.T) {
	dir := workingDir(t)
	c, err := Load([]string{"PATH=/bin", "HOME=/root", "TEMPORAL_ADDRESS=localhost:7233"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Timezone.String(); got != "Asia/Kolkata" {
		t.Errorf("time zone: got %s", got)
	}
	c.Timezone, c.isSet = nil, nil
	want := Config{
		DataDir:     dir + "/data",
		DatabaseURL: "sqlite://" + dir + "/data/exhaust.db", UCIDatabaseURL: "sqlite://" + dir + "/data/exhaust.db",
		FusionAuthDatabaseURL: "sqlite://" + dir + "/data/exhaust.db",
		ConversationTable:     "bot", UsersTable: "users", RegistrationsTable: "user_registrations", IdentitiesTable: "identities",
		TelemetryStore: "file://" + dir + "/data/telemetry", ReportsStore: "file://" + dir + "/data/reports",
		TelemetryLayout: "{yyyy}-{MM}-{dd}",
		Addr:            "127.0.0.1:8080", PublicURL: "http://127.0.0.1:8080",
		URLTTL: 24 * time.Hour, MaxDays: 366, Timeout: 24 * time.Hour,
		CSVDialect: report.RFC4180, CSVFormulaGuard: true, SettleTime: 10 * time.Minute, TaskQueue: "exhaust",
		Mode: "now", NightlyCron: "0 2 * * *", NightlyConcurrency: 8, NightlyWatch: 2 * time.Hour, ReportRetention: 30 * 24 * time.Hour, SummaryMinDevices: 5,
		OpenID: access.OpenIDOptions{Scopes: []string{"openid"}},
		Auth:   "none", JWT: jwtOptions(t, "RS256", "channel", "resource_access.data-exhaust.roles", 30*time.Second), RateBurst: 200, ChannelLimit: 1000,
		AzureAPIVersion: "2026-12-06",
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %#v\nwant %#v", c, want)
	}
}

func TestLoadReadsEverySetting(t *testing.T) {
	c, err := Load(everySetting)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Timezone.String(); got != "America/New_York" {
		t.Errorf("time zone: got %s", got)
	}
	c.Timezone, c.isSet = nil, nil
	want := Config{
		DataDir:               "/srv/exhaust",
		DatabaseURL:           "postgres://exhaust:dbpass@db:5432/exhaust?sslmode=require",
		UCIDatabaseURL:        "postgresql://reader:ucipass@db/uci",
		FusionAuthDatabaseURL: "postgres://db/fusionauth?user=reader&password=fapass",
		ConversationTable:     `public."Bot"`, UsersTable: "fa.users", RegistrationsTable: "regs", IdentitiesTable: `"Ident ities"`,
		EncryptionSecret: "c2l4dGVlbiBieXRlIGtleQ==",
		TelemetryStore:   "azblob://telemetry/raw", ReportsStore: "file:///srv/reports",
		TelemetryLayout: "{yyyy}/{MM}/{dd}/",
		PdataID:         "prod.UCI.sunbird",
		Addr:            ":9000", PublicURL: "https://exhaust.example.org/api", TemporalUIURL: "http://temporal:8233/ui",
		URLTTL: 90 * time.Minute, MaxDays: 31, Timeout: 6 * time.Hour, AssumeConsent: true,
		CSVDialect: report.Spark, CSVByteOrderMark: true, SettleTime: 90 * time.Second, TaskQueue: "exhaust-blue",
		Deployment: "exhaust", BuildID: "1.4.0",
		SigningKey: "c2lnbmluZ2tleXNpZ25pbmdrZXlzaWduaW5na2V5MTI=",
		ReceiptKey: "kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4=",
		Mode:       "nightly", NightlyCron: "30 1 * * 1-5", NightlyConcurrency: 4, NightlyWatch: 30 * time.Minute, ReportRetention: 168 * time.Hour, SummaryMinDevices: 12,
		WebhookKeys: exhaust.WebhookKeys{
			Signing: "webhook-secret-of-24-ch.", SigningPrevious: "former-secret-of-24-char",
			Sealing: "sealing-key-of-24-chars.", SealingPrevious: "former-sealing-key-of-26.",
		},
		WebhookAllowPrivate: true,
		TLSCertificate:      "/etc/tls.crt", TLSPrivateKey: "/etc/tls.key",
		Auth: "jwt", BehindGateway: true, TokenFile: "/etc/tokens", Token: "exhaust_calls-me", MetricsToken: "scrapes-the-metrics",
		JWT:       jwtOptions(t, "ES256 RS512", "/a.b/c", "realm_access.roles", time.Minute),
		OpenID:    access.OpenIDOptions{ClientID: "console", ClientSecret: "secret-of-the-console", Scopes: []string{"openid", "roles"}},
		RateLimit: 7, RateBurst: 8, ChannelLimit: 9, AuditLog: "/var/log/audit.log",
		TrustedProxies: access.TrustedProxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, PrivatePurpose: true,
		AzureConnectionString: "AccountName=a;AccountKey=azurekey", AzureAccount: "account", AzureAPIVersion: "2019-07-07",
	}
	want.JWT.Issuer, want.JWT.JWKSURL, want.JWT.Audience = "https://id.example.org/", "http://keys:8080/jwks", "data-exhaust"
	if !reflect.DeepEqual(c, want) {
		for i := range reflect.TypeFor[Config]().NumField() - 1 {
			got, want := reflect.ValueOf(c).Field(i), reflect.ValueOf(want).Field(i)
			if !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Errorf("%s: got %v, want %v", reflect.TypeFor[Config]().Field(i).Name, got, want)
			}
		}
	}
}

func jwtOptions(t *testing.T, algorithms, channels, rights string, leeway time.Duration) access.JWTOptions {
	t.Helper()
	channelsClaim, err := access.ParseClaimPath(channels)
	if err != nil {
		t.Fatal(err)
	}
	rightsClaim, err := access.ParseClaimPath(rights)
	if err != nil {
		t.Fatal(err)
	}
	return access.JWTOptions{Algorithms: strings.Fields(algorithms), ChannelsClaim: channelsClaim, RightsClaim: rightsClaim, Leeway: leeway}
}

// everySetting gives each a value other than its default.
var everySetting = []string{
	"EXHAUST_DATA_DIR=/srv/exhaust",
	"EXHAUST_DATABASE_URL=postgres://exhaust:dbpass@db:5432/exhaust?sslmode=require",
	"UCI_DATABASE_URL=postgresql://reader:ucipass@db/uci",
	"FUSIONAUTH_DATABASE_URL=postgres://db/fusionauth?user=reader&password=fapass",
	`UCI_CONVERSATION_TABLE=public."Bot"`,
	"UCI_USERS_TABLE=fa.users",
	"UCI_REGISTRATIONS_TABLE=regs",
	`UCI_IDENTITIES_TABLE="Ident ities"`,
	"UCI_ENCRYPTION_SECRET=c2l4dGVlbiBieXRlIGtleQ==",
	"EXHAUST_TELEMETRY_STORE=azblob://telemetry/raw",
	"EXHAUST_REPORTS_STORE=file:///srv/reports",
	"EXHAUST_TELEMETRY_LAYOUT={yyyy}/{MM}/{dd}/",
	"EXHAUST_PDATA_ID=prod.UCI.sunbird",
	"EXHAUST_ADDR=:9000",
	"EXHAUST_TLS_CERTIFICATE=/etc/tls.crt",
	"EXHAUST_TLS_PRIVATE_KEY=/etc/tls.key",
	"EXHAUST_PUBLIC_URL=https://exhaust.example.org/api/",
	"EXHAUST_TEMPORAL_UI_URL=http://temporal:8233/ui/",
	"EXHAUST_URL_TTL=90m",
	"EXHAUST_TIMEZONE=America/New_York",
	"EXHAUST_MAX_DAYS=31",
	"EXHAUST_TIMEOUT=6h",
	"EXHAUST_ASSUME_CONSENT=true",
	"EXHAUST_CSV_DIALECT=spark",
	"EXHAUST_CSV_BOM=true",
	"EXHAUST_CSV_FORMULA_GUARD=false",
	"EXHAUST_SETTLE_TIME=90s",
	"EXHAUST_SIGNING_KEY=c2lnbmluZ2tleXNpZ25pbmdrZXlzaWduaW5na2V5MTI=",
	"EXHAUST_RECEIPT_KEY=kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4=",
	"EXHAUST_TASK_QUEUE=exhaust-blue",
	"EXHAUST_DEPLOYMENT=exhaust",
	"EXHAUST_BUILD_ID=1.4.0",
	"EXHAUST_MODE=nightly",
	"EXHAUST_NIGHTLY_CRON=30 1 * * 1-5",
	"EXHAUST_NIGHTLY_CONCURRENCY=4",
	"EXHAUST_NIGHTLY_WATCH=30m",
	"EXHAUST_REPORT_RETENTION=168h",
	"EXHAUST_SUMMARY_MIN_DEVICES=12",
	"EXHAUST_WEBHOOK_SECRET=webhook-secret-of-24-ch.",
	"EXHAUST_WEBHOOK_SECRET_PREVIOUS=former-secret-of-24-char",
	"EXHAUST_SEALING_KEY=sealing-key-of-24-chars.",
	"EXHAUST_SEALING_KEY_PREVIOUS=former-sealing-key-of-26.",
	"EXHAUST_WEBHOOK_ALLOW_PRIVATE=true",
	"EXHAUST_AUTH=jwt",
	"EXHAUST_AUTH_BEHIND_GATEWAY=true",
	"EXHAUST_TOKEN_STORE=file:///etc/tokens",
	"EXHAUST_JWT_ISSUER=https://id.example.org/",
	"EXHAUST_JWT_JWKS_URL=http://keys:8080/jwks",
	"EXHAUST_JWT_AUDIENCE=data-exhaust",
	"EXHAUST_JWT_ALGORITHMS=ES256, RS512",
	"EXHAUST_JWT_CHANNELS_CLAIM=/a.b/c",
	"EXHAUST_JWT_RIGHTS_CLAIM=realm_access.roles",
	"EXHAUST_JWT_LEEWAY=1m",
	"EXHAUST_OPENID_CLIENT_ID=console",
	"EXHAUST_OPENID_CLIENT_SECRET=secret-of-the-console",
	"EXHAUST_OPENID_SCOPES=openid  roles",
	"EXHAUST_RATE_LIMIT=7",
	"EXHAUST_RATE_BURST=8",
	"EXHAUST_CHANNEL_LIMIT=9",
	"EXHAUST_AUDIT_LOG=/var/log/audit.log",
	"EXHAUST_TRUSTED_PROXIES=10.0.0.0/8, ::1",
	"EXHAUST_PRIVATE_PURPOSE=required",
	"EXHAUST_METRICS_TOKEN=scrapes-the-metrics",
	"EXHAUST_TOKEN=exhaust_calls-me",
	"EXHAUST_AZURE_API_VERSION=2019-07-07",
	"AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=azurekey",
	"AZURE_STORAGE_ACCOUNT=account",
}

func TestEverySettingOfTheContractIsKnown(t *testing.T) {
	var known []string
	for _, s := range new(Config).settings() {
		known = append(known, s.name)
	}
	var names []string
	for _, entry := range everySetting {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	if !reflect.DeepEqual(known, names) {
		t.Errorf("known: %v\nwant:  %v", known, names)
	}
}

func TestAnEmptyValueIsNone(t *testing.T) {
	for _, value := range []string{"", "  ", "\n"} {
		c, err := Load([]string{"EXHAUST_MAX_DAYS=" + value, "EXHAUST_WHATEVER=" + value})
		if err != nil || c.MaxDays != 366 {
			t.Errorf("%q: got %d, %v", value, c.MaxDays, err)
		}
	}
}

func TestOfANameThatStandsTwiceTheFirstCounts(t *testing.T) {
	c, err := Load([]string{"EXHAUST_MAX_DAYS=7", "EXHAUST_MAX_DAYS=8"})
	if err != nil || c.MaxDays != 7 {
		t.Errorf("got %d, %v", c.MaxDays, err)
	}
}

func TestDefaultsAreDerivedFromOtherSettings(t *testing.T) {
	dir := workingDir(t)
	for _, c := range []struct {
		environ []string
		field   func(Config) string
		want    string
	}{
		{[]string{"EXHAUST_DATA_DIR=./var//x"}, func(c Config) string { return c.DataDir }, dir + "/var/x"},
		{[]string{"EXHAUST_DATA_DIR=/d"}, func(c Config) string { return c.DatabaseURL }, "sqlite:///d/exhaust.db"},
		{[]string{"EXHAUST_DATA_DIR=/d"}, func(c Config) string { return c.UCIDatabaseURL }, "sqlite:///d/exhaust.db"},
		{[]string{"EXHAUST_DATA_DIR=/d"}, func(c Config) string { return c.TelemetryStore }, "file:///d/telemetry"},
		{[]string{"EXHAUST_DATA_DIR=/d"}, func(c Config) string { return c.ReportsStore }, "file:///d/reports"},
		{[]string{"EXHAUST_DATABASE_URL=postgres://h/d"}, func(c Config) string { return c.UCIDatabaseURL }, "postgres://h/d"},
		{[]string{"EXHAUST_DATABASE_URL=postgres://h/d"}, func(c Config) string { return c.FusionAuthDatabaseURL }, "postgres://h/d"},
		{[]string{"UCI_DATABASE_URL=postgres://h/d"}, func(c Config) string { return c.FusionAuthDatabaseURL }, "sqlite://" + dir + "/data/exhaust.db"},
		{[]string{"EXHAUST_DATABASE_URL=sqlite://x/e.db"}, func(c Config) string { return c.DatabaseURL }, "sqlite://" + dir + "/x/e.db"},
		{[]string{"EXHAUST_REPORTS_STORE=file://out/a%20b%25"}, func(c Config) string { return c.ReportsStore }, "file://" + dir + "/out/a b%25"},
		{[]string{"EXHAUST_ADDR=:9000"}, func(c Config) string { return c.PublicURL }, "http://127.0.0.1:9000"},
		{[]string{"EXHAUST_ADDR=0.0.0.0:9000"}, func(c Config) string { return c.PublicURL }, "http://127.0.0.1:9000"},
		{[]string{"EXHAUST_ADDR=[::]:9000"}, func(c Config) string { return c.PublicURL }, "http://127.0.0.1:9000"},
		{[]string{"EXHAUST_ADDR=[::1]:9000"}, func(c Config) string { return c.PublicURL }, "http://[::1]:9000"},
		{[]string{"EXHAUST_ADDR=:9000", "EXHAUST_TLS_CERTIFICATE=/c", "EXHAUST_TLS_PRIVATE_KEY=/k"}, func(c Config) string { return c.PublicURL }, "https://127.0.0.1:9000"},
		{[]string{"EXHAUST_JWT_ISSUER=https://h/realms/r"}, func(c Config) string { return c.JWT.JWKSURL }, "https://h/realms/r/protocol/openid-connect/certs"},
		{[]string{"EXHAUST_AUTH=none"}, func(c Config) string { return fmt.Sprint(c.RateLimit) }, "0"},
		{[]string{"EXHAUST_AUTH=tokens"}, func(c Config) string { return fmt.Sprint(c.RateLimit) }, "50"},
		{[]string{"EXHAUST_ADDR=exhaust.local:80"}, func(c Config) string { return c.PublicURL }, "http://exhaust.local:80"},
	} {
		config, err := Load(c.environ)
		if got := c.field(config); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.environ, got, err, c.want)
		}
	}
}

func TestAWrongValueIsAnErrorThatSaysWhatIsAccepted(t *testing.T) {
	for _, c := range []struct{ entry, want string }{
		{"EXHAUST_DATA_DIR=/a?b", `EXHAUST_DATA_DIR is "/a?b": it must be a folder without ?, # or % in its name`},
		{"EXHAUST_DATABASE_URL=mysql://u:secret@h/d", secretFault("EXHAUST_DATABASE_URL") + "it must be postgres://user:password@host:port/database or sqlite:///file"},
		{"EXHAUST_DATABASE_URL=postgres:secret", secretFault("EXHAUST_DATABASE_URL") + "it must be postgres://user:password@host:port/database or sqlite:///file"},
		{"EXHAUST_DATABASE_URL=host=h password=secret", secretFault("EXHAUST_DATABASE_URL") + "it must be postgres://user:password@host:port/database or sqlite:///file"},
		{"EXHAUST_DATABASE_URL=sqlite://", secretFault("EXHAUST_DATABASE_URL") + "after sqlite:// it must name a file, without ?, # or % in its name"},
		{"EXHAUST_DATABASE_URL=sqlite://:memory:", secretFault("EXHAUST_DATABASE_URL") + "after sqlite:// it must name a file, without ?, # or % in its name"},
		{"UCI_DATABASE_URL=postgres://u:se#cret@h/d", secretFault("UCI_DATABASE_URL") + "it is no URL; characters of the password other than letters and digits must be percent-encoded, such as %23 for #"},
		{"UCI_DATABASE_URL=postgres://u:12#cret@h/d", secretFault("UCI_DATABASE_URL") + "characters of the password other than letters and digits must be percent-encoded, such as %23 for #"},
		{"UCI_DATABASE_URL=postgres://u:12/cret@h/d", secretFault("UCI_DATABASE_URL") + "characters of the password other than letters and digits must be percent-encoded, such as %23 for #"},
		{"UCI_DATABASE_URL=postgres://u:12?cret@h/d", secretFault("UCI_DATABASE_URL") + "characters of the password other than letters and digits must be percent-encoded, such as %23 for #"},
		{"FUSIONAUTH_DATABASE_URL=postgres://u:secret@h", secretFault("FUSIONAUTH_DATABASE_URL") + "it must end in /database, the database's name"},
		{"FUSIONAUTH_DATABASE_URL=postgres://u:secret@h/", secretFault("FUSIONAUTH_DATABASE_URL") + "it must end in /database, the database's name"},
		{"UCI_CONVERSATION_TABLE=bot; DROP TABLE users", `UCI_CONVERSATION_TABLE is "bot; DROP TABLE users": it must be a table as SQL writes it, such as bot, uci.bot or public."Bot"`},
		{`UCI_USERS_TABLE="a"b"`, `UCI_USERS_TABLE is "\"a\"b\"": it must be a table as SQL writes it, such as bot, uci.bot or public."Bot"`},
		{"UCI_REGISTRATIONS_TABLE=1a", `UCI_REGISTRATIONS_TABLE is "1a": it must be a table as SQL writes it, such as bot, uci.bot or public."Bot"`},
		{"UCI_IDENTITIES_TABLE=a.b.c", `UCI_IDENTITIES_TABLE is "a.b.c": it must be a table as SQL writes it, such as bot, uci.bot or public."Bot"`},
		{"UCI_ENCRYPTION_SECRET=c2VjcmV0", secretFault("UCI_ENCRYPTION_SECRET") + "the encryption secret decodes to 6 bytes: it must be the standard base64 of an AES key of 16, 24 or 32 bytes"},
		{"EXHAUST_TELEMETRY_STORE=/var/telemetry", `EXHAUST_TELEMETRY_STORE is "/var/telemetry": it must be azblob://container/prefix or file:///folder`},
		{"EXHAUST_TELEMETRY_STORE=s3://bucket", `EXHAUST_TELEMETRY_STORE is "s3://bucket": it must be azblob://container/prefix or file:///folder`},
		{"EXHAUST_REPORTS_STORE=file://", `EXHAUST_REPORTS_STORE is "file://": it must be azblob://container/prefix or file:///folder`},
		{"EXHAUST_REPORTS_STORE=azblob://Re_ports/x", `EXHAUST_REPORTS_STORE is "azblob://Re_ports/x": after azblob:// it must name a container: 3 to 63 characters a-z, 0-9 and single hyphens between them`},
		{"EXHAUST_REPORTS_STORE=azblob://reports/x?sv=2022", `EXHAUST_REPORTS_STORE is "azblob://reports/x?sv=2022": the prefix after the container must hold neither ? nor #; credentials go into AZURE_STORAGE_CONNECTION_STRING`},
		{"EXHAUST_REPORTS_STORE=azblob://reports/a//b", `EXHAUST_REPORTS_STORE is "azblob://reports/a//b": object name "a//b" has the segment "", which is not allowed`},
		{"EXHAUST_REPORTS_STORE=azblob://reports", "EXHAUST_REPORTS_STORE is in Azure: set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT to sign in with Azure's default credentials"},
		{"EXHAUST_TELEMETRY_STORE=azblob://telemetry", "EXHAUST_TELEMETRY_STORE is in Azure: set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT to sign in with Azure's default credentials"},
		{"EXHAUST_AZURE_API_VERSION=2017-11-09", `EXHAUST_AZURE_API_VERSION is "2017-11-09": it must be a service version of Azure Storage, as yyyy-MM-dd, from 2018-11-09 to 2026-12-06, the newest that this program speaks`},
		{"EXHAUST_TELEMETRY_LAYOUT=yyyy-MM-dd", `EXHAUST_TELEMETRY_LAYOUT is "yyyy-MM-dd": it must hold {yyyy}, {MM} and {dd} once each, such as {yyyy}-{MM}-{dd} or {yyyy}/{MM}/{dd}/`},
		{"EXHAUST_TELEMETRY_LAYOUT={yyyy}/{mm}/{dd}/", `EXHAUST_TELEMETRY_LAYOUT is "{yyyy}/{mm}/{dd}/": it must hold {yyyy}, {MM} and {dd} once each, such as {yyyy}-{MM}-{dd} or {yyyy}/{MM}/{dd}/`},
		{"EXHAUST_TELEMETRY_LAYOUT={yyyy}{MM}{dd}{HH}", `EXHAUST_TELEMETRY_LAYOUT is "{yyyy}{MM}{dd}{HH}": it must hold {yyyy}, {MM} and {dd} once each, such as {yyyy}-{MM}-{dd} or {yyyy}/{MM}/{dd}/`},
		{"EXHAUST_TELEMETRY_LAYOUT=/{yyyy}-{MM}-{dd}", `EXHAUST_TELEMETRY_LAYOUT is "/{yyyy}-{MM}-{dd}": names that begin so have the segment "", which a folder cannot hold`},
		{"EXHAUST_TELEMETRY_LAYOUT=a//{yyyy}-{MM}-{dd}", `EXHAUST_TELEMETRY_LAYOUT is "a//{yyyy}-{MM}-{dd}": names that begin so have the segment "", which a folder cannot hold`},
		{"EXHAUST_TELEMETRY_LAYOUT=./{yyyy}-{MM}-{dd}", `EXHAUST_TELEMETRY_LAYOUT is "./{yyyy}-{MM}-{dd}": names that begin so have the segment ".", which a folder cannot hold`},
		{"EXHAUST_TELEMETRY_LAYOUT={yyyy}/../{MM}-{dd}", `EXHAUST_TELEMETRY_LAYOUT is "{yyyy}/../{MM}-{dd}": names that begin so have the segment "..", which a folder cannot hold`},
		{"EXHAUST_TELEMETRY_LAYOUT=.tmp/{yyyy}-{MM}-{dd}", `EXHAUST_TELEMETRY_LAYOUT is ".tmp/{yyyy}-{MM}-{dd}": names that begin so lie in .tmp, where the store keeps what is being written`},
		{"EXHAUST_SETTLE_TIME=24h1s", `EXHAUST_SETTLE_TIME is "24h1s": it must be a duration from 0s to 24h, such as 90m or 24h`},
		{"EXHAUST_CSV_BOM=yes", `EXHAUST_CSV_BOM is "yes": it must be true or false`},
		{"EXHAUST_CSV_FORMULA_GUARD=0", `EXHAUST_CSV_FORMULA_GUARD is "0": it must be true or false`},
		{"EXHAUST_RECEIPT_KEY=secret", secretFault("EXHAUST_RECEIPT_KEY") + "it must be an Ed25519 key in PEM, as `openssl genpkey -algorithm ed25519` writes it, or the base64 of its 32-byte seed"},
		{"EXHAUST_ADDR=8080", `EXHAUST_ADDR is "8080": it must be host:port or :port, with a port from 1 to 65535`},
		{"EXHAUST_ADDR=localhost:0", `EXHAUST_ADDR is "localhost:0": it must be host:port or :port, with a port from 1 to 65535`},
		{"EXHAUST_ADDR=localhost:65536", `EXHAUST_ADDR is "localhost:65536": it must be host:port or :port, with a port from 1 to 65535`},
		{"EXHAUST_ADDR=http://localhost:80", `EXHAUST_ADDR is "http://localhost:80": it must be host:port or :port, with a port from 1 to 65535`},
		{"EXHAUST_PUBLIC_URL=exhaust.example.org", `EXHAUST_PUBLIC_URL is "exhaust.example.org": it must be http:// or https:// with a host, without user, query or fragment, such as https://exhaust.example.org`},
		{"EXHAUST_PUBLIC_URL=https://h/?a", `EXHAUST_PUBLIC_URL is "https://h/?a": it must be http:// or https:// with a host, without user, query or fragment, such as https://exhaust.example.org`},
		{"EXHAUST_URL_TTL=7d", `EXHAUST_URL_TTL is "7d": it must be a duration from 1m to 168h, such as 90m or 24h`},
		{"EXHAUST_URL_TTL=168h1s", `EXHAUST_URL_TTL is "168h1s": it must be a duration from 1m to 168h, such as 90m or 24h`},
		{"EXHAUST_URL_TTL=59s", `EXHAUST_URL_TTL is "59s": it must be a duration from 1m to 168h, such as 90m or 24h`},
		{"EXHAUST_TIMEOUT=721h", `EXHAUST_TIMEOUT is "721h": it must be a duration from 1m to 720h, such as 90m or 24h`},
		{"EXHAUST_TIMEOUT=-1h", `EXHAUST_TIMEOUT is "-1h": it must be a duration from 1m to 720h, such as 90m or 24h`},
		{"EXHAUST_TIMEZONE=IST+5:30", `EXHAUST_TIMEZONE is "IST+5:30": it must be the IANA name of a time zone, such as Asia/Kolkata or UTC`},
		{"EXHAUST_TIMEZONE=Local", `EXHAUST_TIMEZONE is "Local": it must be the IANA name of a time zone, such as Asia/Kolkata or UTC`},
		{"EXHAUST_MAX_DAYS=0", `EXHAUST_MAX_DAYS is "0": it must be a number of days from 1 to 3660`},
		{"EXHAUST_MAX_DAYS=3661", `EXHAUST_MAX_DAYS is "3661": it must be a number of days from 1 to 3660`},
		{"EXHAUST_MAX_DAYS=1.5", `EXHAUST_MAX_DAYS is "1.5": it must be a number of days from 1 to 3660`},
		{"EXHAUST_ASSUME_CONSENT=yes", `EXHAUST_ASSUME_CONSENT is "yes": it must be true or false`},
		{"EXHAUST_WEBHOOK_ALLOW_PRIVATE=1", `EXHAUST_WEBHOOK_ALLOW_PRIVATE is "1": it must be true or false`},
		{"EXHAUST_AUTH=basic", `EXHAUST_AUTH is "basic": it must be none, tokens or jwt`},
		{"EXHAUST_AUTH=jwt", "EXHAUST_JWT_ISSUER is missing: with EXHAUST_AUTH=jwt it says whose tokens count\n" +
			"EXHAUST_JWT_AUDIENCE is missing: with EXHAUST_AUTH=jwt it says for whom tokens have to be made"},
		{"EXHAUST_AUTH_BEHIND_GATEWAY=yes", `EXHAUST_AUTH_BEHIND_GATEWAY is "yes": it must be true or false`},
		{"EXHAUST_TOKEN_STORE=/etc/tokens", `EXHAUST_TOKEN_STORE is "/etc/tokens": it must be database, or file:// and a file`},
		{"EXHAUST_JWT_ISSUER=sunbird", `EXHAUST_JWT_ISSUER is "sunbird": it must be http:// or https:// with a host, without user and fragment`},
		{"EXHAUST_JWT_JWKS_URL=file:///keys", `EXHAUST_JWT_JWKS_URL is "file:///keys": it must be http:// or https:// with a host, without user and fragment`},
		{"EXHAUST_JWT_ALGORITHMS=RS256,HS256", `EXHAUST_JWT_ALGORITHMS is "RS256,HS256": algorithm HS256 is not accepted: who can check its signatures can also make them, and an issuer publishes no such key`},
		{"EXHAUST_JWT_ALGORITHMS=none", `EXHAUST_JWT_ALGORITHMS is "none": algorithm none is not accepted: anybody can make a token without a signature`},
		{"EXHAUST_JWT_LEEWAY=6m", `EXHAUST_JWT_LEEWAY is "6m": it must be a duration from 0s to 5m, such as 90m or 24h`},
		{"EXHAUST_OPENID_SCOPES=profile", `EXHAUST_OPENID_SCOPES is "profile": it must be scopes with spaces between them, openid among them` +
			"\nEXHAUST_OPENID_SCOPES is set, and EXHAUST_AUTH is none: people sign in at an OpenID provider where it is jwt"},
		{"EXHAUST_OPENID_CLIENT_ID=console", "EXHAUST_OPENID_CLIENT_ID is set, and EXHAUST_AUTH is none: people sign in at an OpenID provider where it is jwt"},
		{"EXHAUST_TEMPORAL_UI_URL=https://h/?a=b", `EXHAUST_TEMPORAL_UI_URL is "https://h/?a=b": it must be http:// or https:// with a host, without user, query or fragment, such as https://temporal.example.org`},
		{"EXHAUST_TEMPORAL_UI_URL=temporal:8233", `EXHAUST_TEMPORAL_UI_URL is "temporal:8233": it must be http:// or https:// with a host, without user, query or fragment, such as https://temporal.example.org`},
		{"EXHAUST_RATE_LIMIT=-1", `EXHAUST_RATE_LIMIT is "-1": it must be a number of requests a second from 1 to 100000, or 0 for no bound`},
		{"EXHAUST_RATE_BURST=0", `EXHAUST_RATE_BURST is "0": it must be a number of requests from 1 to 1000000`},
		{"EXHAUST_CHANNEL_LIMIT=many", `EXHAUST_CHANNEL_LIMIT is "many": it must be a number of exhausts from 1 to 1000000, or 0 for no bound`},
		{"EXHAUST_TRUSTED_PROXIES=proxy", `EXHAUST_TRUSTED_PROXIES is "proxy": "proxy" is neither: a trusted proxy is an address or a CIDR, such as 10.0.0.7, 10.0.0.0/8, 2001:db8::7 or 2001:db8::/32`},
		{"EXHAUST_PRIVATE_PURPOSE=true", `EXHAUST_PRIVATE_PURPOSE is "true": it must be optional or required`},
		{"EXHAUST_METRICS_TOKEN=short", secretFault("EXHAUST_METRICS_TOKEN") + "it must have at least 16 characters, none of them white space"},
		{"EXHAUST_MODE=later", `EXHAUST_MODE is "later": it must be now or nightly`},
		{"EXHAUST_NIGHTLY_CRON=0 2 * *", `EXHAUST_NIGHTLY_CRON is "0 2 * *": it must be five cron fields (minute, hour, day of month, month, day of week), such as 0 2 * * *`},
		{"EXHAUST_NIGHTLY_WATCH=0s", `EXHAUST_NIGHTLY_WATCH is "0s": it must be a duration from 1s to 24h, such as 90m or 24h`},
		{"EXHAUST_NIGHTLY_CONCURRENCY=33", `EXHAUST_NIGHTLY_CONCURRENCY is "33": it must be a number from 1 to 32`},
		{"EXHAUST_WEBHOOK_SECRET=short", `EXHAUST_WEBHOOK_SECRET is not valid (its value is not shown): it must have at least 16 characters`},
		{"EXHAUST_CSV_DIALECT=excel", `EXHAUST_CSV_DIALECT is "excel": it must be rfc4180 or spark`},
		{"EXHAUST_TASK_QUEUE=a b", `EXHAUST_TASK_QUEUE is "a b": it must be 1 to 200 characters of A-Z a-z 0-9 . _ -`},
		{"EXHAUST_DEPLOYMENT=exhaust.blue", `EXHAUST_DEPLOYMENT is "exhaust.blue": it must be 1 to 100 characters of A-Z a-z 0-9 _ -, the first a letter or digit`},
		{"EXHAUST_DEPLOYMENT=exhaust:blue", `EXHAUST_DEPLOYMENT is "exhaust:blue": it must be 1 to 100 characters of A-Z a-z 0-9 _ -, the first a letter or digit`},
		{"EXHAUST_DEPLOYMENT=__exhaust", `EXHAUST_DEPLOYMENT is "__exhaust": it must be 1 to 100 characters of A-Z a-z 0-9 _ -, the first a letter or digit`},
		{"EXHAUST_BUILD_ID=a b", `EXHAUST_BUILD_ID is "a b": it must be 1 to 128 characters of A-Z a-z 0-9 . _ + -, the first a letter or digit`},
		{"EXHAUST_BUILD_ID=sha256:1f", `EXHAUST_BUILD_ID is "sha256:1f": it must be 1 to 128 characters of A-Z a-z 0-9 . _ + -, the first a letter or digit`},
		{"EXHAUST_BUILD_ID=-1", `EXHAUST_BUILD_ID is "-1": it must be 1 to 128 characters of A-Z a-z 0-9 . _ + -, the first a letter or digit`},
		{"EXHAUST_DEPLOYMENT=" + strings.Repeat("a", 101), `EXHAUST_DEPLOYMENT is "` + strings.Repeat("a", 101) + `": it must be 1 to 100 characters of A-Z a-z 0-9 _ -, the first a letter or digit`},
		{"EXHAUST_BUILD_ID=" + strings.Repeat("1", 129), `EXHAUST_BUILD_ID is "` + strings.Repeat("1", 129) + `": it must be 1 to 128 characters of A-Z a-z 0-9 . _ + -, the first a letter or digit`},
	} {
		if _, err := Load([]string{c.entry}); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.entry, err, c.want)
		}
	}
}

func TestTheBoundsOfSettingsAreAccepted(t *testing.T) {
	for _, entry := range []string{
		"EXHAUST_URL_TTL=1m", "EXHAUST_URL_TTL=168h", "EXHAUST_TIMEOUT=1m", "EXHAUST_TIMEOUT=720h",
		"EXHAUST_SETTLE_TIME=0s", "EXHAUST_SETTLE_TIME=24h",
		"EXHAUST_MAX_DAYS=1", "EXHAUST_MAX_DAYS=3660", "EXHAUST_ADDR=:1", "EXHAUST_ADDR=:65535",
	} {
		name, value, _ := strings.Cut(entry, "=")
		c, err := Load([]string{entry})
		if got := settingOf(c, name); err != nil || got.Value != value || got.Default {
			t.Errorf("%s: got %+v, %v", entry, got, err)
		}
	}
}

func TestAnUnknownNameIsAnErrorThatSuggestsTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"EXHAUST_URLTTL":              "EXHAUST_URLTTL is no setting: did you mean EXHAUST_URL_TTL?",
		"EXHAUST_TIMEZON":             "EXHAUST_TIMEZON is no setting: did you mean EXHAUST_TIMEZONE?",
		"EXHAUST_REPORT_STORE":        "EXHAUST_REPORT_STORE is no setting: did you mean EXHAUST_REPORTS_STORE?",
		"EXHAUST_DATABASE_URI":        "EXHAUST_DATABASE_URI is no setting: did you mean EXHAUST_DATABASE_URL?",
		"EXHAUST_ENCRYPTION_SECRET":   "EXHAUST_ENCRYPTION_SECRET is no setting: did you mean UCI_ENCRYPTION_SECRET?",
		"EXHAUST_LOG_VERBOSITY_LEVEL": "EXHAUST_LOG_VERBOSITY_LEVEL is no setting: docs/settings.md lists them all",
		"EXHAUST_":                    "EXHAUST_ is no setting: docs/settings.md lists them all",
		"EXHAUST_API_SERVICE_HOST":    "EXHAUST_API_SERVICE_HOST is no setting: Kubernetes puts it in for a Service of that name; set enableServiceLinks: false in the pod, or name the Service otherwise",
		"EXHAUST_PORT_8080_TCP_ADDR":  "EXHAUST_PORT_8080_TCP_ADDR is no setting: Kubernetes puts it in for a Service of that name; set enableServiceLinks: false in the pod, or name the Service otherwise",
	} {
		if _, err := Load([]string{name + "=x"}); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", name, err, want)
		}
	}
}

func TestNamesOfOthersAreNoneOfOurs(t *testing.T) {
	if _, err := Load([]string{"UCI_WHATEVER=1", "FUSIONAUTH_APP_URL=x", "AZURE_STORAGE_ACCOUNT=Not Valid", "TEMPORAL_NAMESPACE=n", "exhaust_x=1", "MALFORMED"}); err != nil {
		t.Error(err)
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	_, err := Load([]string{
		"EXHAUST_ZZZZZZZZZZZZ=1", "EXHAUST_MAX_DAYS=many", "EXHAUST_ADR=:1", "UCI_ENCRYPTION_SECRET=hunter2!",
		"EXHAUST_DATABASE_URL=postgres://u:hunter2@h", "EXHAUST_REPORTS_STORE=azblob://reports",
	})
	want := strings.Join([]string{
		secretFault("EXHAUST_DATABASE_URL") + "it must end in /database, the database's name",
		secretFault("UCI_ENCRYPTION_SECRET") + "the encryption secret is not base64: it must be the standard base64 of an AES key of 16, 24 or 32 bytes",
		`EXHAUST_MAX_DAYS is "many": it must be a number of days from 1 to 3660`,
		"EXHAUST_REPORTS_STORE is in Azure: set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT to sign in with Azure's default credentials",
		"EXHAUST_ADR is no setting: did you mean EXHAUST_ADDR?",
		"EXHAUST_ZZZZZZZZZZZZ is no setting: docs/settings.md lists them all",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// Azure holds names that a folder does not.
func TestALayoutIsHeldToWhatTheStoreHolds(t *testing.T) {
	_, err := Load([]string{"EXHAUST_TELEMETRY_STORE=azblob://telemetry", "AZURE_STORAGE_ACCOUNT=account", "EXHAUST_TELEMETRY_LAYOUT=/{yyyy}/./{MM}//{dd}"})
	if err != nil {
		t.Error(err)
	}
	long := strings.Repeat("x", 1020) + "{yyyy}{MM}{dd}"
	_, err = Load([]string{"EXHAUST_TELEMETRY_STORE=azblob://telemetry", "AZURE_STORAGE_ACCOUNT=account", "EXHAUST_TELEMETRY_LAYOUT=" + long})
	if err == nil || !strings.HasSuffix(err.Error(), "names that begin so are longer than the 1024 characters that Azure takes") {
		t.Error(err)
	}
}

func TestASecretIsReadFromAFile(t *testing.T) {
	dir := t.TempDir()
	file := func(content string) string {
		name := filepath.Join(dir, fmt.Sprintf("%x", len(content)))
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	c, err := Load([]string{
		"EXHAUST_DATABASE_URL_FILE=" + file("postgres://exhaust:dbpass@db/exhaust\n"),
		"UCI_ENCRYPTION_SECRET_FILE=" + file("c2l4dGVlbiBieXRlIGtleQ==\r\n"),
		"EXHAUST_WEBHOOK_SECRET_FILE=" + file("webhook-secret-of-24-ch."),
		"EXHAUST_SIGNING_KEY_FILE=" + file("c2lnbmluZ2tleXNpZ25pbmdrZXlzaWduaW5na2V5MTI=\n"),
		"EXHAUST_SEALING_KEY_FILE=" + file("sealing-key-of-23-chars"),
		"EXHAUST_RECEIPT_KEY_FILE=" + file(" kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4= \n\n"),
		"EXHAUST_TELEMETRY_STORE=azblob://telemetry",
		"AZURE_STORAGE_CONNECTION_STRING_FILE=" + file("AccountName=a;AccountKey=azurekey\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.DatabaseURL != "postgres://exhaust:dbpass@db/exhaust" || c.UCIDatabaseURL != c.DatabaseURL || c.EncryptionSecret != "c2l4dGVlbiBieXRlIGtleQ==" ||
		c.WebhookKeys != (exhaust.WebhookKeys{Signing: "webhook-secret-of-24-ch.", Sealing: "sealing-key-of-23-chars"}) || c.ReceiptKey != "kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4=" ||
		c.SigningKey != "c2lnbmluZ2tleXNpZ25pbmdrZXlzaWduaW5na2V5MTI=" || c.AzureConnectionString != "AccountName=a;AccountKey=azurekey" {
		t.Errorf("got %#v", c.Public())
	}
	for entries, want := range map[string]string{
		"EXHAUST_RECEIPT_KEY=kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4= EXHAUST_RECEIPT_KEY_FILE=" + file("x"): "EXHAUST_RECEIPT_KEY and EXHAUST_RECEIPT_KEY_FILE are both set: set one of them",
		"UCI_ENCRYPTION_SECRET_FILE=" + dir + "/none":                                                            `UCI_ENCRYPTION_SECRET_FILE is "` + dir + `/none", which cannot be read: no such file or directory`,
		"UCI_ENCRYPTION_SECRET_FILE=" + file("\n"):                                                               `UCI_ENCRYPTION_SECRET_FILE is "` + file("\n") + `", which is empty`,
		"EXHAUST_WEBHOOK_SECRET_FILE=" + file("short"):                                                           `EXHAUST_WEBHOOK_SECRET_FILE is "` + file("short") + `", whose content is not valid (it is not shown): it must have at least 16 characters`,
		"EXHAUST_TELEMETRY_STORE=azblob://telemetry AZURE_STORAGE_CONNECTION_STRING_FILE=" + file("hunter2"): `AZURE_STORAGE_CONNECTION_STRING_FILE is "` + file("hunter2") +
			`", whose content is not valid (it is not shown): it must hold AccountName=…;AccountKey=…, as the Azure portal shows it under Access keys`,
		"UCI_DATABASE_URL_FILE=" + dir:                                       `UCI_DATABASE_URL_FILE is "` + dir + `", which cannot be read: is a directory`,
		"EXHAUST_WEBHOOK_SECRET_FILE=" + file(strings.Repeat("s", 64<<10+1)): `EXHAUST_WEBHOOK_SECRET_FILE is "` + file(strings.Repeat("s", 64<<10+1)) + `", which has more than 65536 bytes`,
		"EXHAUST_SIGNING_KEY_FILE=" + file("\x00the 32 raw bytes of a key file\x00"): `EXHAUST_SIGNING_KEY_FILE is "` + file("\x00the 32 raw bytes of a key file\x00") +
			"\", whose content is not valid (it is not shown): it must be the standard base64 of at least 32 bytes, as `openssl rand -base64 32` writes it",
		"EXHAUST_RECEIPT_KEYFILE=/x": "EXHAUST_RECEIPT_KEYFILE is no setting: did you mean EXHAUST_RECEIPT_KEY_FILE?",
		"EXHAUST_ADDR_FILE=/x":       "EXHAUST_ADDR_FILE is no setting: docs/settings.md lists them all",
	} {
		if _, err := Load(strings.Fields(entries)); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", entries, err, want)
		}
	}
}

func TestWebhooksNeedTwoKeysThatDiffer(t *testing.T) {
	const signing, sealing = "EXHAUST_WEBHOOK_SECRET=webhook-secret-of-24-ch.", "EXHAUST_SEALING_KEY=sealing-key-of-24-chars."
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{signing, sealing}, "<nil>"},
		{[]string{signing}, "EXHAUST_WEBHOOK_SECRET is set and EXHAUST_SEALING_KEY is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY"},
		{[]string{sealing}, "EXHAUST_SEALING_KEY is set and EXHAUST_WEBHOOK_SECRET is not: webhooks need both EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY"},
		{[]string{signing, "EXHAUST_SEALING_KEY=webhook-secret-of-24-ch."}, "EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY are equal: each must be a random text of its own"},
		{[]string{signing, sealing, "EXHAUST_SEALING_KEY_PREVIOUS=webhook-secret-of-24-ch."},
			"EXHAUST_WEBHOOK_SECRET and EXHAUST_SEALING_KEY_PREVIOUS are equal: each must be a random text of its own"},
		{[]string{signing, "EXHAUST_SEALING_KEY=short"}, secretFault("EXHAUST_SEALING_KEY") + "it must have at least 16 characters"},
	} {
		if _, err := Load(c.environ); fmt.Sprint(err) != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.environ, err, c.want)
		}
	}
}

func TestStoresInAzureNeedAValidAccount(t *testing.T) {
	const telemetry, reports = "EXHAUST_TELEMETRY_STORE=azblob://telemetry", "EXHAUST_REPORTS_STORE=azblob://reports/a/b"
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{telemetry, reports, "AZURE_STORAGE_ACCOUNT=exhaust1"}, "<nil>"},
		{[]string{telemetry, reports, "AZURE_STORAGE_ACCOUNT=https://exhaust1.blob.core.windows.net"}, "<nil>"},
		{[]string{telemetry, reports, "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=k=="}, "<nil>"},
		{[]string{telemetry, "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;SharedAccessSignature=s"}, "<nil>"},
		{[]string{reports, "AZURE_STORAGE_ACCOUNT=Exhaust_1"},
			`AZURE_STORAGE_ACCOUNT is "Exhaust_1": it must be the account's name, 3 to 24 characters a-z and 0-9, or its https:// endpoint`},
		{[]string{reports, "AZURE_STORAGE_ACCOUNT=http://exhaust1.blob.core.windows.net"},
			`AZURE_STORAGE_ACCOUNT is "http://exhaust1.blob.core.windows.net": it must be the account's name, 3 to 24 characters a-z and 0-9, or its https:// endpoint`},
		{[]string{reports, "AZURE_STORAGE_CONNECTION_STRING=hunter2"},
			secretFault("AZURE_STORAGE_CONNECTION_STRING") + "it must hold AccountName=…;AccountKey=…, as the Azure portal shows it under Access keys"},
		{[]string{reports, "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;SharedAccessSignature=hunter2"},
			secretFault("AZURE_STORAGE_CONNECTION_STRING") + "it must hold AccountKey=…, because the reports' download URLs are signed with it"},
	} {
		if _, err := Load(c.environ); fmt.Sprint(err) != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.environ, err, c.want)
		}
	}
}

func TestPublicShowsEverySettingButNoSecret(t *testing.T) {
	c, err := Load(everySetting)
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{"EXHAUST_DATA_DIR", "/srv/exhaust", false},
		{"EXHAUST_DATABASE_URL", "postgres://exhaust:xxxxx@db:5432/exhaust?sslmode=require", false},
		{"UCI_DATABASE_URL", "postgresql://reader:xxxxx@db/uci", false},
		{"FUSIONAUTH_DATABASE_URL", "postgres://db/fusionauth?user=reader&password=xxxxx", false},
		{"UCI_CONVERSATION_TABLE", `public."Bot"`, false},
		{"UCI_USERS_TABLE", "fa.users", false},
		{"UCI_REGISTRATIONS_TABLE", "regs", false},
		{"UCI_IDENTITIES_TABLE", `"Ident ities"`, false},
		{"UCI_ENCRYPTION_SECRET", "xxxxx", false},
		{"EXHAUST_TELEMETRY_STORE", "azblob://telemetry/raw", false},
		{"EXHAUST_REPORTS_STORE", "file:///srv/reports", false},
		{"EXHAUST_TELEMETRY_LAYOUT", "{yyyy}/{MM}/{dd}/", false},
		{"EXHAUST_PDATA_ID", "prod.UCI.sunbird", false},
		{"EXHAUST_ADDR", ":9000", false},
		{"EXHAUST_TLS_CERTIFICATE", "/etc/tls.crt", false},
		{"EXHAUST_TLS_PRIVATE_KEY", "/etc/tls.key", false},
		{"EXHAUST_PUBLIC_URL", "https://exhaust.example.org/api", false},
		{"EXHAUST_TEMPORAL_UI_URL", "http://temporal:8233/ui", false},
		{"EXHAUST_URL_TTL", "1h30m", false},
		{"EXHAUST_TIMEZONE", "America/New_York", false},
		{"EXHAUST_MAX_DAYS", "31", false},
		{"EXHAUST_TIMEOUT", "6h", false},
		{"EXHAUST_ASSUME_CONSENT", "true", false},
		{"EXHAUST_CSV_DIALECT", "spark", false},
		{"EXHAUST_CSV_BOM", "true", false},
		{"EXHAUST_CSV_FORMULA_GUARD", "false", false},
		{"EXHAUST_SETTLE_TIME", "1m30s", false},
		{"EXHAUST_SIGNING_KEY", "xxxxx", false},
		{"EXHAUST_RECEIPT_KEY", "xxxxx", false},
		{"EXHAUST_TASK_QUEUE", "exhaust-blue", false},
		{"EXHAUST_DEPLOYMENT", "exhaust", false},
		{"EXHAUST_BUILD_ID", "1.4.0", false},
		{"EXHAUST_MODE", "nightly", false},
		{"EXHAUST_NIGHTLY_CRON", "30 1 * * 1-5", false},
		{"EXHAUST_NIGHTLY_CONCURRENCY", "4", false},
		{"EXHAUST_NIGHTLY_WATCH", "30m", false},
		{"EXHAUST_REPORT_RETENTION", "168h", false},
		{"EXHAUST_SUMMARY_MIN_DEVICES", "12", false},
		{"EXHAUST_WEBHOOK_SECRET", "xxxxx", false},
		{"EXHAUST_WEBHOOK_SECRET_PREVIOUS", "xxxxx", false},
		{"EXHAUST_SEALING_KEY", "xxxxx", false},
		{"EXHAUST_SEALING_KEY_PREVIOUS", "xxxxx", false},
		{"EXHAUST_WEBHOOK_ALLOW_PRIVATE", "true", false},
		{"EXHAUST_AUTH", "jwt", false},
		{"EXHAUST_AUTH_BEHIND_GATEWAY", "true", false},
		{"EXHAUST_TOKEN_STORE", "file:///etc/tokens", false},
		{"EXHAUST_JWT_ISSUER", "https://id.example.org/", false},
		{"EXHAUST_JWT_JWKS_URL", "http://keys:8080/jwks", false},
		{"EXHAUST_JWT_AUDIENCE", "data-exhaust", false},
		{"EXHAUST_JWT_ALGORITHMS", "ES256,RS512", false},
		{"EXHAUST_JWT_CHANNELS_CLAIM", "/a.b/c", false},
		{"EXHAUST_JWT_RIGHTS_CLAIM", "realm_access.roles", false},
		{"EXHAUST_JWT_LEEWAY", "1m", false},
		{"EXHAUST_OPENID_CLIENT_ID", "console", false},
		{"EXHAUST_OPENID_CLIENT_SECRET", "xxxxx", false},
		{"EXHAUST_OPENID_SCOPES", "openid roles", false},
		{"EXHAUST_RATE_LIMIT", "7", false},
		{"EXHAUST_RATE_BURST", "8", false},
		{"EXHAUST_CHANNEL_LIMIT", "9", false},
		{"EXHAUST_AUDIT_LOG", "/var/log/audit.log", false},
		{"EXHAUST_TRUSTED_PROXIES", "10.0.0.0/8,::1/128", false},
		{"EXHAUST_PRIVATE_PURPOSE", "required", false},
		{"EXHAUST_METRICS_TOKEN", "xxxxx", false},
		{"EXHAUST_TOKEN", "xxxxx", false},
		{"EXHAUST_AZURE_API_VERSION", "2019-07-07", false},
		{"AZURE_STORAGE_CONNECTION_STRING", "xxxxx", false},
		{"AZURE_STORAGE_ACCOUNT", "account", false},
	}
	if got := c.Public(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestPublicTellsDefaults(t *testing.T) {
	c, err := Load([]string{"EXHAUST_DATA_DIR=/d", "EXHAUST_URL_TTL=24h"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Setting{
		"EXHAUST_DATA_DIR":      {"EXHAUST_DATA_DIR", "/d", false},
		"EXHAUST_REPORTS_STORE": {"EXHAUST_REPORTS_STORE", "file:///d/reports", true},
		"EXHAUST_URL_TTL":       {"EXHAUST_URL_TTL", "24h", false},
		"EXHAUST_TIMEOUT":       {"EXHAUST_TIMEOUT", "24h", true},
		"UCI_ENCRYPTION_SECRET": {"UCI_ENCRYPTION_SECRET", "", true},
	} {
		if got := settingOf(c, name); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestNoWayOfPrintingAConfigShowsASecret(t *testing.T) {
	c, err := Load(everySetting)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("start", "settings", c)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("start", "settings", c)
	marshalled, err := json.Marshal(map[string]any{"config": c, "pointer": &c})
	if err != nil {
		t.Fatal(err)
	}
	for how, shown := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c), "%s": fmt.Sprintf("of %s", c), "%q": fmt.Sprintf("%q", c),
		"a pointer": fmt.Sprintf("%+v", &c), "within": fmt.Sprintf("%+v", struct{ C Config }{c}), "slog": logged.String(), "JSON": string(marshalled),
	} {
		for _, secret := range []string{"dbpass", "ucipass", "fapass", "c2l4dGVlb", "azurekey", "kF0y3Zb1", "c2lnbmlu", "calls-me", "scrapes-the"} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s shows %s: %s", how, secret, shown)
			}
		}
		if !strings.Contains(shown, "exhaust-blue") {
			t.Errorf("%s shows no settings: %s", how, shown)
		}
	}
}

func TestTheDocumentedTableIsTheCodes(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "\n"+Doc()+"\n") {
		t.Errorf("docs/settings.md lacks this table:\n\n%s", Doc())
	}
}

func TestTheDocumentListsEverySettingThatAFileCanHold(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, name := range regexp.MustCompile("`([A-Z_]+_FILE)`").FindAllStringSubmatch(string(doc), -1) {
		documented = append(documented, name[1])
	}
	want := []string{ // in the order of the settings
		"EXHAUST_DATABASE_URL_FILE", "UCI_DATABASE_URL_FILE", "FUSIONAUTH_DATABASE_URL_FILE", "UCI_ENCRYPTION_SECRET_FILE",
		"EXHAUST_SIGNING_KEY_FILE",
		"EXHAUST_RECEIPT_KEY_FILE", "EXHAUST_WEBHOOK_SECRET_FILE", "EXHAUST_WEBHOOK_SECRET_PREVIOUS_FILE",
		"EXHAUST_SEALING_KEY_FILE", "EXHAUST_SEALING_KEY_PREVIOUS_FILE", "EXHAUST_OPENID_CLIENT_SECRET_FILE", "EXHAUST_METRICS_TOKEN_FILE", "EXHAUST_TOKEN_FILE", "AZURE_STORAGE_CONNECTION_STRING_FILE",
	}
	var known []string
	for _, s := range new(Config).settings() {
		known = append(known, s.names()[1:]...)
	}
	if !reflect.DeepEqual(documented, append(want, "TEMPORAL_API_KEY_FILE")) || !reflect.DeepEqual(known, want) {
		t.Errorf("documented: %v\nknown:      %v\nwant:       %v", documented, known, want)
	}
}

// A key in PEM has line ends within, which no surrounding white space is.
func TestAReceiptKeyInPEMIsTakenWholeFromTheEnvironmentAndFromAFile(t *testing.T) {
	const pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEICSjF65bVIAntEbkfJXNC7ZKoA2LnKFhvdShhb4XvIEu\n-----END PRIVATE KEY-----"
	file := filepath.Join(t.TempDir(), "receipt-key.pem")
	if err := os.WriteFile(file, []byte(pem+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, entry := range []string{"EXHAUST_RECEIPT_KEY=" + pem + "\n", "EXHAUST_RECEIPT_KEY_FILE=" + file} {
		c, err := Load([]string{entry})
		if err != nil || c.ReceiptKey != pem {
			t.Errorf("%.30s: got %q, %v", entry, c.ReceiptKey, err)
		}
		if got, want := settingOf(c, "EXHAUST_RECEIPT_KEY"), (Setting{"EXHAUST_RECEIPT_KEY", "xxxxx", false}); got != want {
			t.Errorf("%.30s is shown as %v, want %v", entry, got, want)
		}
	}
}

func TestEveryDocumentedExampleIsAccepted(t *testing.T) {
	for _, s := range new(Config).settings() {
		var signIn []string
		if strings.HasPrefix(s.name, "EXHAUST_OPENID_") {
			signIn = withOpenID("EXHAUST_OPENID_CLIENT_ID=console")
		}
		if _, err := Load(append(signIn, s.name+"="+s.example, "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=k",
			"EXHAUST_WEBHOOK_SECRET=webhook-secret-of-24-ch.", "EXHAUST_SEALING_KEY=sealing-key-of-24-chars.",
			"EXHAUST_TLS_CERTIFICATE=/etc/tls.crt", "EXHAUST_TLS_PRIVATE_KEY=/etc/tls.key")); err != nil {
			t.Errorf("%s=%s: %v", s.name, s.example, err)
		}
	}
}

// withOpenID is an environment in which callers have JSON Web Tokens, and more.
func withOpenID(more ...string) []string {
	return append([]string{"EXHAUST_AUTH=jwt", "EXHAUST_JWT_ISSUER=https://id.example.org", "EXHAUST_JWT_AUDIENCE=data-exhaust"}, more...)
}

func TestAClientOfAnOpenIDProviderNeedsItsIDAndJSONWebTokens(t *testing.T) {
	const secret = "EXHAUST_OPENID_CLIENT_SECRET=hunter2"
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{withOpenID(), "<nil>"},
		{withOpenID("EXHAUST_OPENID_CLIENT_ID=console"), "<nil>"},
		{withOpenID("EXHAUST_OPENID_CLIENT_ID=console", secret, "EXHAUST_OPENID_SCOPES=openid offline_access"), "<nil>"},
		{withOpenID(secret, "EXHAUST_OPENID_SCOPES=openid"),
			"EXHAUST_OPENID_CLIENT_SECRET is set, and EXHAUST_OPENID_CLIENT_ID is missing: it says which client that is of\n" +
				"EXHAUST_OPENID_SCOPES is set, and EXHAUST_OPENID_CLIENT_ID is missing: it says which client that is of"},
		{[]string{"EXHAUST_AUTH=tokens", "EXHAUST_OPENID_CLIENT_ID=console", secret},
			"EXHAUST_OPENID_CLIENT_ID is set, and EXHAUST_AUTH is tokens: people sign in at an OpenID provider where it is jwt\n" +
				"EXHAUST_OPENID_CLIENT_SECRET is set, and EXHAUST_AUTH is tokens: people sign in at an OpenID provider where it is jwt"},
		{[]string{"EXHAUST_AUTH=basic", "EXHAUST_OPENID_CLIENT_ID=console"}, `EXHAUST_AUTH is "basic": it must be none, tokens or jwt`},
	} {
		if _, err := Load(c.environ); fmt.Sprint(err) != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.environ, err, c.want)
		}
	}
}

func secretFault(name string) string { return name + " is not valid (its value is not shown): " }

func settingOf(c Config, name string) Setting {
	for _, s := range c.Public() {
		if s.Name == name {
			return s
		}
	}
	return Setting{}
}

func workingDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
