package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones work in an image without any files

	"data-exhaust/access"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
	"data-exhaust/registry"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// setting is one row of docs/settings.md, and where its value is kept.
type setting struct {
	name, example string
	about         string // for docs/settings.md

	// preset is the default; derive makes it of the settings above this one instead, as derivation tells.
	preset     string
	derive     func() string
	derivation string

	value variable

	// hide makes of a value what anybody may see of it; nil where that is all of it. A wrong
	// value of such a setting is never shown.
	hide func(string) string
}

// settings lists the rows in the order in which Load sets them: a default may depend on the settings
// above it. Their values are those of c.
func (c *Config) settings() []setting {
	return []setting{
		{
			name: "EXHAUST_DATA_DIR", example: "/var/lib/exhaust", preset: "data",
			about: "The folder that keeps everything while nothing else is set. A relative one counts from the working directory.",
			value: text(&c.DataDir, parseFolder),
		},
		{
			name: "EXHAUST_DATABASE_URL", example: "postgres://exhaust:secret@db.example.org:5432/exhaust?sslmode=require",
			about:      "The database of the `job_request` table: `postgres://…` in production, `sqlite://` and a file for one machine.",
			derive:     func() string { return "sqlite://" + c.DataDir + "/exhaust.db" },
			derivation: "`sqlite://<EXHAUST_DATA_DIR>/exhaust.db`",
			value:      text(&c.DatabaseURL, parseDatabase), hide: hidePassword,
		},
		{
			name: "UCI_DATABASE_URL", example: "postgres://reader:secret@db.example.org:5432/uci",
			about:      "UCI's database, which has the conversations. It is only read.",
			derive:     func() string { return c.DatabaseURL },
			derivation: "`EXHAUST_DATABASE_URL`",
			value:      text(&c.UCIDatabaseURL, parseDatabase), hide: hidePassword,
		},
		{
			name: "FUSIONAUTH_DATABASE_URL", example: "postgres://reader:secret@db.example.org:5432/fusionauth",
			about:      "FusionAuth's database, which has the users, their registrations and identities. It is only read.",
			derive:     func() string { return c.DatabaseURL },
			derivation: "`EXHAUST_DATABASE_URL`",
			value:      text(&c.FusionAuthDatabaseURL, parseDatabase), hide: hidePassword,
		},
		{
			name: "UCI_CONVERSATION_TABLE", example: `public."Bot"`, preset: "bot",
			about: "The table of conversations, written as in SQL: with its schema where it needs one, in double quotes where letter case matters.",
			value: text(&c.ConversationTable, parseTable),
		},
		{
			name: "UCI_USERS_TABLE", example: "public.users", preset: "users",
			about: "The table of users.",
			value: text(&c.UsersTable, parseTable),
		},
		{
			name: "UCI_REGISTRATIONS_TABLE", example: "public.user_registrations", preset: "user_registrations",
			about: "The table of users' registrations to conversations.",
			value: text(&c.RegistrationsTable, parseTable),
		},
		{
			name: "UCI_IDENTITIES_TABLE", example: "public.identities", preset: "identities",
			about: "The table of users' encrypted phone numbers.",
			value: text(&c.IdentitiesTable, parseTable),
		},
		{
			name: "UCI_ENCRYPTION_SECRET", example: "c2l4dGVlbiBieXRlIGtleQ==", derivation: "none: phone numbers stay hidden",
			about: "The secret with which UCI encrypts phone numbers: base64 of an AES key of 16, 24 or 32 bytes. Without it they stay hidden. Never shown.",
			value: text(&c.EncryptionSecret, parseEncryptionSecret), hide: hideAll,
		},
		{
			name: "EXHAUST_TELEMETRY_STORE", example: "azblob://telemetry/raw",
			about:      "Where telemetry lies: `azblob://container/prefix`, or `file://` and a folder.",
			derive:     func() string { return "file://" + c.DataDir + "/telemetry" },
			derivation: "`file://<EXHAUST_DATA_DIR>/telemetry`",
			value:      text(&c.TelemetryStore, parseStore),
		},
		{
			name: "EXHAUST_REPORTS_STORE", example: "azblob://reports",
			about:      "Where exhausts are put: `azblob://container/prefix`, or `file://` and a folder.",
			derive:     func() string { return "file://" + c.DataDir + "/reports" },
			derivation: "`file://<EXHAUST_DATA_DIR>/reports`",
			value:      text(&c.ReportsStore, parseStore),
		},
		{
			name: "EXHAUST_TELEMETRY_LAYOUT", example: "{yyyy}/{MM}/{dd}/", preset: "{yyyy}-{MM}-{dd}",
			about: "How the names of a day's telemetry objects begin, after the store's prefix.",
			value: text(&c.TelemetryLayout, parseLayout),
		},
		{
			name: "EXHAUST_PDATA_ID", example: "prod.UCI.sunbird", derivation: "none: any producer",
			about: "The producer (`context.pdata.id`) whose events count.",
			value: text(&c.PdataID, parseAnything),
		},
		{
			name: "EXHAUST_ADDR", example: "0.0.0.0:8080", preset: "127.0.0.1:8080",
			about: "Where the API listens, `host:port`. Without a host it listens on every address of the machine.",
			value: text(&c.Addr, parseAddr),
		},
		{
			name: "EXHAUST_TLS_CERTIFICATE", example: "/run/secrets/tls.crt", derivation: "none: plain HTTP",
			about: "The file with the API's TLS certificate and those between it and its authority, in PEM. It is read again when it changes.",
			value: text(&c.TLSCertificate, parseFile),
		},
		{
			name: "EXHAUST_TLS_PRIVATE_KEY", example: "/run/secrets/tls.key",
			about: "The file with the private key of that certificate, in PEM.",
			value: text(&c.TLSPrivateKey, parseFile),
		},
		{
			name: "EXHAUST_PUBLIC_URL", example: "https://exhaust.example.org",
			about:      "Where clients reach the API; the download URLs of a `file://` reports store begin with it. Workers sign such URLs too: give them the same.",
			derive:     c.localURL,
			derivation: "`http://`, or `https://` with `EXHAUST_TLS_CERTIFICATE`, and `EXHAUST_ADDR`, with `127.0.0.1` where that is every address",
			value:      text(&c.PublicURL, parseBaseURL("https://exhaust.example.org")),
		},
		{
			name: "EXHAUST_TEMPORAL_UI_URL", example: "https://temporal.example.org", derivation: "none: no links",
			about: "Where people reach Temporal's UI: the console links workflows there, as `<EXHAUST_TEMPORAL_UI_URL>/namespaces/<namespace>/workflows/<id>`.",
			value: text(&c.TemporalUIURL, parseBaseURL("https://temporal.example.org")),
		},
		{
			name: "EXHAUST_URL_TTL", example: "12h", preset: "24h",
			about: "How long a download URL works, `1m` to `168h` (Azure signs for seven days at most).",
			value: duration(&c.URLTTL, time.Minute, 168*time.Hour),
		},
		{
			name: "EXHAUST_TIMEZONE", example: "UTC", preset: "Asia/Kolkata",
			about: "The time zone in which days begin and end, by its IANA name.",
			value: field(&c.Timezone, parseTimezone, timezoneName),
		},
		{
			name: "EXHAUST_MAX_DAYS", example: "31", preset: "366",
			about: "How many days one exhaust may cover, 1 to 3660.",
			value: number(&c.MaxDays, "a number of days", 3660),
		},
		{
			name: "EXHAUST_TIMEOUT", example: "6h", preset: "24h",
			about: "How long an exhaust is tried, `1m` to `720h`, before it has failed.",
			value: duration(&c.Timeout, time.Minute, 720*time.Hour),
		},
		{
			name: "EXHAUST_ASSUME_CONSENT", example: "true", preset: "false",
			about: "`true` takes consent as given where none is recorded, as Sunbird's jobs did: it shows phone numbers.",
			value: boolean(&c.AssumeConsent),
		},
		{
			name: "EXHAUST_CSV_DIALECT", example: "spark", preset: "rfc4180",
			about: "`rfc4180` writes a quote within a cell as `\"\"`, `spark` as `\\\"` and a backslash as `\\\\`, as Sunbird's files did.",
			value: text(&c.CSVDialect, parseDialect),
		},
		{
			name: "EXHAUST_CSV_BOM", example: "true", preset: "false",
			about: "`true` begins each file with a byte order mark, by which Excel knows that it is UTF-8.",
			value: boolean(&c.CSVByteOrderMark),
		},
		{
			name: "EXHAUST_CSV_FORMULA_GUARD", example: "false", preset: "true",
			about: "`true` puts a `'` before text that a spreadsheet would run as a formula; `false` leaves it as people wrote it.",
			value: boolean(&c.CSVFormulaGuard),
		},
		{
			name: "EXHAUST_SETTLE_TIME", example: "30m", preset: "10m",
			about: "How long a telemetry object has to have been left alone before one that does not read whole is called corrupt, `0s` to `24h`.",
			value: duration(&c.SettleTime, 0, 24*time.Hour),
		},
		{
			name: "EXHAUST_SIGNING_KEY", example: "q8Jm3vWQ0b2fJtYw7H1sLr5xKc9dZ4uEoN6gPaTiV1A=",
			derivation: "a key in `<EXHAUST_DATA_DIR>/signing.key`, which is made where there is none",
			about:      "The key that signs the download URLs of a `file://` reports store: the base64 of at least 32 bytes. API and workers need the same. [More](#the-key-of-the-download-urls). Never shown.",
			value:      text(&c.SigningKey, parseSigningKey), hide: hideAll,
		},
		{
			name: "EXHAUST_RECEIPT_KEY", example: "kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4=",
			derivation: "a key in `<EXHAUST_DATA_DIR>/receipt.key`, which is made where there is none",
			about:      "The Ed25519 key that signs receipts: in PEM, as `openssl genpkey -algorithm ed25519` writes it, or the base64 of its 32-byte seed. Only workers need it, all of them the same. Never shown.",
			value:      text(&c.ReceiptKey, parseReceiptKey), hide: hideAll,
		},
		{
			name: "EXHAUST_TASK_QUEUE", example: "exhaust-blue", preset: "exhaust",
			about: "The Temporal task queue that API and workers share.",
			value: pattern(&c.TaskQueue, taskQueueName, "1 to 200 characters of A-Z a-z 0-9 . _ -"),
		},
		{
			name: "EXHAUST_DEPLOYMENT", example: "exhaust", derivation: "none: workers have no versions",
			about: "The name of the Worker Deployment in Temporal to which the workers belong. With one an exhaust stays on the version of the worker that began it, and a worker gets no work until its version was made current: [deploy.md](deploy.md#with-versions).",
			value: pattern(&c.Deployment, deploymentName, "1 to 100 characters of A-Z a-z 0-9 _ -, the first a letter or digit"),
		},
		{
			name: "EXHAUST_BUILD_ID", example: "1.4.0", derivation: "the code's version",
			about: "Which version of `EXHAUST_DEPLOYMENT` a worker is; without that it does not count. [More](#versions-of-the-workers).",
			value: text(&c.BuildID, func(id string) (string, error) { return id, CheckBuildID(id) }),
		},
		{
			name: "EXHAUST_MODE", example: "nightly", preset: "now",
			about: "When an exhaust runs that does not say so itself (`runAt`): `now`, or `nightly`.",
			value: pattern(&c.Mode, modeName, "now or nightly"),
		},
		{
			name: "EXHAUST_NIGHTLY_CRON", example: "30 1 * * *", preset: "0 2 * * *",
			about: "When the night runs, as five cron fields in `EXHAUST_TIMEZONE`.",
			value: pattern(&c.NightlyCron, fiveFields, "five cron fields (minute, hour, day of month, month, day of week), such as 0 2 * * *"),
		},
		{
			name: "EXHAUST_NIGHTLY_CONCURRENCY", example: "4", preset: "8",
			about: "How many exhausts the night has at work at once, 1 to 32. Those that wait for something to heal do not count.",
			value: number(&c.NightlyConcurrency, "a number", 32),
		},
		{
			name: "EXHAUST_NIGHTLY_WATCH", example: "30m", preset: "2h",
			about: "For how long the night watches an exhaust that it has released, `1s` to `24h`. Its summary names those that run on, and the next night counts them.",
			value: duration(&c.NightlyWatch, time.Second, 24*time.Hour),
		},
		{
			name: "EXHAUST_REPORT_RETENTION", example: "168h", preset: "720h",
			about: "How long a report is kept after its exhaust was completed, `1h` to `87600h`. The night deletes it.",
			value: duration(&c.ReportRetention, time.Hour, 87600*time.Hour),
		},
		{
			name: "EXHAUST_SUMMARY_MIN_DEVICES", example: "10", preset: strconv.Itoa(exhaust.DefaultSummaryMinDevices),
			about: "How many devices have given an answer at least for a [summary](summary.md) to list it, 1 to 1000. Answers of fewer are counted together.",
			value: number(&c.SummaryMinDevices, "a number of devices", 1000),
		},
		{
			name: "EXHAUST_WEBHOOK_SECRET", example: "4sQ0n8bW3yV5tR7uX1zA2cE6gJ9kLmPd", derivation: "none: no webhooks",
			about: "The key from which the secrets are derived that sign the webhooks of recurring exhausts, one for each channel: at least 16 random characters. Receivers never get it. [More](#keys-of-webhooks). Never shown.",
			value: text(&c.WebhookKeys.Signing, parseWebhookKey), hide: hideAll,
		},
		{
			name: "EXHAUST_WEBHOOK_SECRET_PREVIOUS", example: "h7Gf5Ds3Aq1Zx2Cv4Bn6Mk8Lp0Oi9Uy",
			about: "The former `EXHAUST_WEBHOOK_SECRET`, while channels have secrets that are derived from it. Never shown.",
			value: text(&c.WebhookKeys.SigningPrevious, parseWebhookKey), hide: hideAll,
		},
		{
			name: "EXHAUST_SEALING_KEY", example: "y6T5r4E3w2Q1a9S8d7F6g5H4j3K2l1Zx", derivation: "none: no webhooks",
			about: "The key under which Temporal keeps the URLs of webhooks: at least 16 random characters, other ones than `EXHAUST_WEBHOOK_SECRET`. Webhooks need both. Never shown.",
			value: text(&c.WebhookKeys.Sealing, parseWebhookKey), hide: hideAll,
		},
		{
			name: "EXHAUST_SEALING_KEY_PREVIOUS", example: "q1W2e3R4t5Y6u7I8o9P0a1S2d3F4g5Hj",
			about: "The former `EXHAUST_SEALING_KEY`, while URLs are kept that were sealed under it. Never shown.",
			value: text(&c.WebhookKeys.SealingPrevious, parseWebhookKey), hide: hideAll,
		},
		{
			name: "EXHAUST_WEBHOOK_ALLOW_PRIVATE", example: "true", preset: "false",
			about: "`true` lets webhooks go to private, loopback and link-local addresses.",
			value: boolean(&c.WebhookAllowPrivate),
		},
		{
			name: "EXHAUST_AUTH", example: "tokens", preset: AuthNone,
			about: "Whom the API asks who he is: `none` lets everybody do everything, and only on a loopback address; `tokens` are made by `starter token create`; `jwt` are JSON Web Tokens of an OpenID provider. [auth.md](auth.md).",
			value: pattern(&c.Auth, authName, "none, tokens or jwt"),
		},
		{
			name: "EXHAUST_AUTH_BEHIND_GATEWAY", example: "true", preset: "false",
			about: "`true` lets the API listen elsewhere than on loopback though `EXHAUST_AUTH` is `none`: a gateway in front of it signs callers in, and nobody gets past that.",
			value: boolean(&c.BehindGateway),
		},
		{
			name: "EXHAUST_TOKEN_STORE", example: "file:///run/secrets/tokens", preset: "database",
			about: "Where tokens are kept, by their hashes: in the `database`, or in a file whose lines `starter token create --offline` writes.",
			value: field(&c.TokenFile, parseTokenStore, func(file string) string {
				if file == "" {
					return "database"
				}
				return "file://" + file
			}),
		},
		{
			name: "EXHAUST_JWT_ISSUER", example: "https://sunbird.example.org/auth/realms/sunbird",
			about: "The issuer (`iss`) whose JSON Web Tokens count.",
			value: text(&c.JWT.Issuer, parseIssuer),
		},
		{
			name: "EXHAUST_JWT_JWKS_URL", example: "https://login.example.org/keys",
			about:      "Where the issuer publishes its keys (JWKS).",
			derive:     func() string { return c.keysOfKeycloak() },
			derivation: "where Keycloak has them: `<EXHAUST_JWT_ISSUER>/protocol/openid-connect/certs`",
			value:      text(&c.JWT.JWKSURL, parseIssuer),
		},
		{
			name: "EXHAUST_JWT_AUDIENCE", example: "data-exhaust",
			about: "The audience (`aud`) that tokens have to be made for.",
			value: text(&c.JWT.Audience, parseAnything),
		},
		{
			name: "EXHAUST_JWT_ALGORITHMS", example: "RS256,ES256", preset: "RS256",
			about: "The algorithms with which tokens may be signed, separated by commas: " + strings.Join(access.Algorithms, ", ") + ".",
			value: field(&c.JWT.Algorithms, parseAlgorithms, func(names []string) string { return strings.Join(names, ",") }),
		},
		{
			name: "EXHAUST_JWT_CHANNELS_CLAIM", example: "/https:~1~1example.org~1channels", preset: "channel",
			about: "The claim with the caller's channels, a text or a list of texts: names joined by dots, or a JSON Pointer.",
			value: field(&c.JWT.ChannelsClaim, access.ParseClaimPath, access.ClaimPath.String),
		},
		{
			name: "EXHAUST_JWT_RIGHTS_CLAIM", example: "realm_access.roles", preset: "resource_access.data-exhaust.roles",
			about: "The claim with the caller's rights: `uci-response-exhaust`, `uci-private-exhaust`, each perhaps with `@` and a channel, `operator`. Others are left alone.",
			value: field(&c.JWT.RightsClaim, access.ParseClaimPath, access.ClaimPath.String),
		},
		{
			name: "EXHAUST_JWT_LEEWAY", example: "1m", preset: "30s",
			about: "How far the issuer's clock may be off, `0s` to `5m`.",
			value: duration(&c.JWT.Leeway, 0, 5*time.Minute),
		},
		{
			name: "EXHAUST_OPENID_CLIENT_ID", example: "data-exhaust-console", derivation: "none: nobody signs in to the console",
			about: "The client of the OpenID provider `EXHAUST_JWT_ISSUER` with which people sign in to the console, where `EXHAUST_AUTH` is `jwt`. [auth.md](auth.md#signing-in-to-the-console).",
			value: text(&c.OpenID.ClientID, parseAnything),
		},
		{
			name: "EXHAUST_OPENID_CLIENT_SECRET", example: "Xp2sW8vQ0b2fJtYw7H1sLr5xKc9dZ4uE", derivation: "none: a public client",
			about: "That client's secret. Never shown.",
			value: text(&c.OpenID.ClientSecret, parseAnything), hide: hideAll,
		},
		{
			name: "EXHAUST_OPENID_SCOPES", example: "openid roles", preset: "openid",
			about: "The scopes that are asked for there, with spaces between them; `openid` is one of them.",
			value: field(&c.OpenID.Scopes, parseScopes, func(scopes []string) string { return strings.Join(scopes, " ") }),
		},
		{
			name: "EXHAUST_RATE_LIMIT", example: "10",
			about:      "How many requests a second a caller may make of one API process; `0` is any number. Where nobody signs in, a caller is an address.",
			derive:     c.defaultRateLimit,
			derivation: "`50`; `0` where `EXHAUST_AUTH` is `none`",
			value:      numberOrNone(&c.RateLimit, "a number of requests a second", 100_000),
		},
		{
			name: "EXHAUST_RATE_BURST", example: "20", preset: "200",
			about: "How many requests a caller may make at once after a rest.",
			value: number(&c.RateBurst, "a number of requests", 1_000_000),
		},
		{
			name: "EXHAUST_CHANNEL_LIMIT", example: "50", preset: "1000",
			about: "How many exhausts of a channel may be under way when somebody asks for another, over all API processes; `0` is any number. Those that wait for the night do not count, and the night and schedules are not held up.",
			value: numberOrNone(&c.ChannelLimit, "a number of exhausts", 1_000_000),
		},
		{
			name: "EXHAUST_AUDIT_LOG", example: "/var/log/exhaust/audit.log", derivation: "the log of the API, on standard error",
			about: "The file of the audit log, a JSON object a line. What rotates logs may move it away. [auth.md](auth.md#the-audit-log).",
			value: text(&c.AuditLog, parseFile),
		},
		{
			name: "EXHAUST_TRUSTED_PROXIES", example: "10.0.0.0/8,192.168.1.4", derivation: "none: whoever connects is the client",
			about: "The addresses and networks of the proxies in front of the API, separated by commas, whose `X-Forwarded-For` says who the client is.",
			value: field(&c.TrustedProxies, access.ParseTrustedProxies, access.TrustedProxies.String),
		},
		{
			name: "EXHAUST_PRIVATE_PURPOSE", example: "required", preset: "optional",
			about: "`required` refuses a private exhaust whose request does not say what it is for (`request.purpose`).",
			value: field(&c.PrivatePurpose, parsePurpose, func(isRequired bool) string {
				if isRequired {
					return purposeRequired
				}
				return purposeOptional
			}),
		},
		{
			name: "EXHAUST_METRICS_TOKEN", example: "o3Zk8Wq1Vb5Nn2Xc7Lm4Rt6Yp9Hs0Jd", derivation: "none: operators read the metrics",
			about: "The bearer token with which Prometheus reads `/metrics`, at least 16 characters; it allows nothing else. Never shown.",
			value: text(&c.MetricsToken, parseMetricsToken), hide: hideAll,
		},
		{
			name: "EXHAUST_TOKEN", example: "exhaust_" + strings.Repeat("x", 43),
			about: "The token with which `starter` calls the API. Never shown.",
			value: text(&c.Token, parseAnything), hide: hideAll,
		},
		{
			name: "EXHAUST_AZURE_API_VERSION", example: "2019-07-07", preset: blob.NewestAPIVersion,
			about: "The service version of Azure Storage that all requests to `azblob://` stores and their download URLs are in, from `" +
				blob.OldestAPIVersion + "` to the default, which is the SDK's. An account that does not know that one needs an older one: [deploy.md](deploy.md#accounts-of-an-older-service-version).",
			value: text(&c.AzureAPIVersion, parseAPIVersion),
		},
		{
			name: "AZURE_STORAGE_CONNECTION_STRING", example: "DefaultEndpointsProtocol=https;AccountName=exhaust;AccountKey=…;EndpointSuffix=core.windows.net",
			about: "The storage account of `azblob://` stores, with its key. It counts where both are set. Never shown.",
			value: text(&c.AzureConnectionString, parseAnything), hide: hideAll,
		},
		{
			name: "AZURE_STORAGE_ACCOUNT", example: "exhaust",
			about: "The storage account of `azblob://` stores, by its name or `https://` endpoint; signs in with Azure's default credential chain.",
			value: text(&c.AzureAccount, parseAnything),
		},
	}
}

// What EXHAUST_AUTH may be.
const (
	AuthNone   = "none"
	AuthTokens = "tokens"
	AuthJWT    = "jwt"
)

const purposeRequired, purposeOptional = "required", "optional"

var (
	authName      = regexp.MustCompile(`^(` + AuthNone + `|` + AuthTokens + `|` + AuthJWT + `)$`)
	taskQueueName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)
	// Temporal takes no . and no : in the name of a deployment, and nothing that begins with two underscores. It lists
	// workflows by name:build, a search attribute of 255 characters at the most.
	deploymentName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	buildIDName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)
	// scopeNames are those of RFC 6749, 3.3.
	scopeNames = regexp.MustCompile(`^[!#-\[\]-~ ]+$`)
	modeName   = regexp.MustCompile(`^(` + exhaust.RunNow + `|` + exhaust.RunNightly + `)$`)

	// fiveFields is the form of a schedule; Temporal, whose schedule it becomes, checks the rest.
	fiveFields = regexp.MustCompile(`^[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){4}$`)
)

// CheckBuildID is an error that says what is accepted where a version of the workers cannot have that build id.
func CheckBuildID(id string) error {
	if !buildIDName.MatchString(id) {
		return errors.New("it must be 1 to 128 characters of A-Z a-z 0-9 . _ + -, the first a letter or digit")
	}
	return nil
}

func (s setting) fallback() string {
	if s.derive != nil {
		return s.derive()
	}
	return s.preset
}

// fault says what is wrong with a value; file is the one that it stands in, or "".
func (s setting) fault(value, file string, err error) error {
	if s.hide != nil {
		return hiddenFault(s.name, file, err)
	}
	return fmt.Errorf("%s is %q: %w", s.name, value, err)
}

// hiddenFault is a fault of a value that is not shown.
func hiddenFault(name, file string, err error) error {
	if file != "" {
		return fmt.Errorf("%s%s is %q, whose content is not valid (it is not shown): %w", name, fileSuffix, file, err)
	}
	return fmt.Errorf("%s is not valid (its value is not shown): %w", name, err)
}

func (s setting) documentedDefault() string {
	switch {
	case s.preset != "":
		return "`" + s.preset + "`"
	case s.derivation != "":
		return s.derivation
	}
	return "none"
}

// variable is where the value of a setting is kept.
type variable struct {
	// set checks the text of a value and keeps the value. Its error says what is accepted.
	set func(string) error
	get func() string
}

// field is a variable that keeps in target what parse makes of a text.
func field[T any](target *T, parse func(string) (T, error), format func(T) string) variable {
	return variable{
		set: func(value string) error {
			v, err := parse(value)
			if err == nil {
				*target = v
			}
			return err
		},
		get: func() string { return format(*target) },
	}
}

func text[T ~string](target *T, parse func(string) (T, error)) variable {
	return field(target, parse, func(v T) string { return string(v) })
}

func pattern(target *string, accepted *regexp.Regexp, description string) variable {
	return text(target, func(value string) (string, error) {
		if !accepted.MatchString(value) {
			return "", errors.New("it must be " + description)
		}
		return value, nil
	})
}

// number takes whole numbers from 1 to most.
func number(target *int, description string, most int) variable {
	return wholeNumber(target, 1, most, fmt.Sprintf("it must be %s from 1 to %d", description, most))
}

// numberOrNone takes 0 too, which is no bound.
func numberOrNone(target *int, description string, most int) variable {
	return wholeNumber(target, 0, most, fmt.Sprintf("it must be %s from 1 to %d, or 0 for no bound", description, most))
}

func wholeNumber(target *int, least, most int, accepted string) variable {
	return field(target, func(value string) (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return 0, errors.New(accepted)
		}
		return n, nil
	}, strconv.Itoa)
}

// boolean takes no other words: what may show phone numbers is not guessed.
func boolean(target *bool) variable {
	return field(target, func(value string) (bool, error) {
		if value != "true" && value != "false" {
			return false, errors.New("it must be true or false")
		}
		return value == "true", nil
	}, strconv.FormatBool)
}

func duration(target *time.Duration, least, most time.Duration) variable {
	return field(target, func(value string) (time.Duration, error) {
		d, err := time.ParseDuration(value)
		if err != nil || d < least || d > most {
			return 0, fmt.Errorf("it must be a duration from %s to %s, such as 90m or 24h", exhaust.FormatDuration(least), exhaust.FormatDuration(most))
		}
		return d, nil
	}, exhaust.FormatDuration)
}

func parseAnything(value string) (string, error) { return value, nil }

func parseFolder(value string) (string, error) {
	if strings.ContainsAny(value, "?#%") {
		return "", errors.New("it must be a folder without ?, # or % in its name")
	}
	return filepath.Abs(value)
}

func parseDatabase(value string) (string, error) {
	file, isSQLite := strings.CutPrefix(value, "sqlite://")
	if !isSQLite {
		return value, checkPostgres(value)
	}
	if file == "" || strings.HasPrefix(file, ":") || strings.ContainsAny(file, "?#%") {
		return "", errors.New("after sqlite:// it must name a file, without ?, # or % in its name")
	}
	file, err := filepath.Abs(file)
	return "sqlite://" + file, err
}

// checkPostgres never lets url.Parse's own error through: it quotes the URL.
func checkPostgres(value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil && strings.Contains(value, ","): // hosts, as libpq's own URLs may have them
		return database.CheckPostgresURL(value)
	case err != nil && (strings.HasPrefix(value, "postgres://") || strings.HasPrefix(value, "postgresql://")):
		return errors.New("it is no URL; characters of the password other than letters and digits must be percent-encoded, such as %23 for #")
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "":
		return errors.New("it must be postgres://user:password@host:port/database or sqlite:///file")
	case strings.Contains(value, "#") || strings.ContainsAny(u.Host+u.Path, "@") || strings.Contains(u.RawQuery, "@"):
		return errors.New("characters of the password other than letters and digits must be percent-encoded, such as %23 for #")
	case len(u.Path) < 2 || strings.Contains(u.Path[1:], "/"):
		return errors.New("it must end in /database, the database's name")
	}
	return database.CheckPostgresURL(value)
}

func parseTable(value string) (string, error) {
	if registry.CheckTableName(value) != nil {
		return "", errors.New(`it must be a table as SQL writes it, such as bot, uci.bot or public."Bot"`)
	}
	return value, nil
}

func parseEncryptionSecret(value string) (string, error) {
	_, err := exhaust.NewCipher(value)
	return value, err
}

func parseStore(value string) (string, error) {
	location, ok := blob.ParseURL(value)
	if !ok {
		return "", errors.New("it must be azblob://container/prefix or file:///folder")
	}
	if location.Folder != "" {
		folder, err := filepath.Abs(location.Folder)
		return "file://" + strings.ReplaceAll(folder, "%", "%25"), err
	}
	if err := blob.CheckContainer(location.Container); err != nil {
		return "", fmt.Errorf("after azblob:// it must name a container: %w", err)
	}
	return value, blob.CheckPrefix(location.Prefix)
}

func parseAPIVersion(value string) (string, error) { return value, blob.CheckAPIVersion(value) }

func parseLayout(value string) (string, error) {
	if _, err := telemetry.ParseLayout(value); err != nil {
		return "", errors.New("it must hold {yyyy}, {MM} and {dd} once each, such as {yyyy}-{MM}-{dd} or {yyyy}/{MM}/{dd}/")
	}
	return value, nil
}

func parseAddr(value string) (string, error) {
	host, port, err := net.SplitHostPort(value)
	number, numberErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numberErr != nil || number == 0 || strings.ContainsAny(host, " /@") {
		return "", errors.New("it must be host:port or :port, with a port from 1 to 65535")
	}
	return value, nil
}

// localURL is how the machine itself reaches Addr.
func (c *Config) localURL() string {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if c.TLSCertificate != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

func (c *Config) keysOfKeycloak() string {
	if c.JWT.Issuer == "" {
		return ""
	}
	return strings.TrimRight(c.JWT.Issuer, "/") + "/protocol/openid-connect/certs"
}

// defaultRateLimit bounds nobody where callers are not told from another.
func (c *Config) defaultRateLimit() string {
	if c.Auth == AuthNone {
		return "0"
	}
	return "50"
}

func parseTokenStore(value string) (string, error) {
	if value == "database" {
		return "", nil
	}
	file, isFile := strings.CutPrefix(value, "file://")
	if !isFile || file == "" {
		return "", errors.New("it must be database, or file:// and a file")
	}
	return filepath.Abs(file)
}

func parseFile(value string) (string, error) { return filepath.Abs(value) }

func parseIssuer(value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return "", errors.New("it must be http:// or https:// with a host, without user and fragment")
	}
	return value, nil
}

func parseAlgorithms(value string) ([]string, error) {
	names := strings.Split(value, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names, access.CheckAlgorithms(names)
}

func parseMetricsToken(value string) (string, error) {
	const shortest = 16
	if len(value) < shortest || strings.ContainsAny(value, " \t\n") {
		return "", fmt.Errorf("it must have at least %d characters, none of them white space", shortest)
	}
	return value, nil
}

func parsePurpose(value string) (bool, error) {
	if value != purposeRequired && value != purposeOptional {
		return false, errors.New("it must be optional or required")
	}
	return value == purposeRequired, nil
}

// parseBaseURL takes what paths are put behind; example is one for whoever gave something else.
func parseBaseURL(example string) func(string) (string, error) {
	return func(value string) (string, error) {
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
			u.User != nil || strings.ContainsAny(value, "?#") {
			return "", errors.New("it must be http:// or https:// with a host, without user, query or fragment, such as " + example)
		}
		return strings.TrimRight(value, "/"), nil
	}
}

// parseScopes demands openid: without it the provider says nothing of who it is.
func parseScopes(value string) ([]string, error) {
	scopes := strings.Fields(value)
	if !slices.Contains(scopes, "openid") || !scopeNames.MatchString(value) {
		return nil, errors.New("it must be scopes with spaces between them, openid among them")
	}
	return scopes, nil
}

// parseTimezone refuses Local, which is another zone on another machine.
func parseTimezone(value string) (*time.Location, error) {
	zone, err := time.LoadLocation(value)
	if err != nil || value == "Local" {
		return nil, errors.New("it must be the IANA name of a time zone, such as Asia/Kolkata or UTC")
	}
	return zone, nil
}

// timezoneName is "" for no zone, which the zone itself would call UTC.
func timezoneName(zone *time.Location) string {
	if zone == nil {
		return ""
	}
	return zone.String()
}

func parseDialect(value string) (report.Dialect, error) {
	dialect, err := report.ParseDialect(value)
	if err != nil {
		return "", fmt.Errorf("it must be %s or %s", report.RFC4180, report.Spark)
	}
	return dialect, nil
}

func parseSigningKey(value string) (string, error) {
	_, err := blob.ParseKey(value)
	return value, err
}

func parseReceiptKey(value string) (string, error) {
	_, err := receipt.ParseKey(value)
	return value, err
}

func parseWebhookKey(value string) (string, error) { return value, exhaust.CheckWebhookKey(value) }
