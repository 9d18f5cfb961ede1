package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones work in an image without any files

	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// setting is one row of contract section 8. Each is set after those above it, from which its
// default may be derived.
type setting struct {
	name    string
	about   string // for docs/settings.md
	example string

	// preset is the default; derived makes it of other settings instead, as derivation tells.
	preset     string
	derived    func(*Config) string
	derivation string

	// set checks the value and stores it. Its error says what is accepted.
	set func(*Config, string) error
	get func(*Config) string
	// hide makes of a value what anybody may see of it; nil where that is all of it. A wrong
	// value of such a setting is never shown.
	hide func(string) string
}

func (s setting) fallback(c *Config) string {
	if s.derived != nil {
		return s.derived(c)
	}
	return s.preset
}

func (s setting) fault(value string, err error) error {
	if s.hide != nil {
		return fmt.Errorf("%s is not valid (its value is not shown): %w", s.name, err)
	}
	return fmt.Errorf("%s is %q: %w", s.name, value, err)
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

var settings = []setting{
	{
		name:    "EXHAUST_DATA_DIR",
		about:   "The folder that keeps everything while nothing else is set. A relative one counts from the working directory.",
		example: "/var/lib/exhaust",
		preset:  "data",
		set:     setDataDir,
		get:     func(c *Config) string { return c.DataDir },
	},
	{
		name:       "EXHAUST_DATABASE_URL",
		about:      "The database of the `job_request` table: `postgres://…` in production, `sqlite://` and a file for one machine.",
		example:    "postgres://exhaust:secret@db.example.org:5432/exhaust?sslmode=require",
		derived:    func(c *Config) string { return "sqlite://" + c.DataDir + "/exhaust.db" },
		derivation: "`sqlite://<EXHAUST_DATA_DIR>/exhaust.db`",
		set:        setDatabase(func(c *Config) *string { return &c.DatabaseURL }),
		get:        func(c *Config) string { return c.DatabaseURL },
		hide:       hidePassword,
	},
	{
		name:       "UCI_DATABASE_URL",
		about:      "UCI's database, which has the conversations. It is only read.",
		example:    "postgres://reader:secret@db.example.org:5432/uci",
		derived:    func(c *Config) string { return c.DatabaseURL },
		derivation: "`EXHAUST_DATABASE_URL`",
		set:        setDatabase(func(c *Config) *string { return &c.UCIDatabaseURL }),
		get:        func(c *Config) string { return c.UCIDatabaseURL },
		hide:       hidePassword,
	},
	{
		name:       "FUSIONAUTH_DATABASE_URL",
		about:      "FusionAuth's database, which has the users, their registrations and identities. It is only read.",
		example:    "postgres://reader:secret@db.example.org:5432/fusionauth",
		derived:    func(c *Config) string { return c.DatabaseURL },
		derivation: "`EXHAUST_DATABASE_URL`",
		set:        setDatabase(func(c *Config) *string { return &c.FusionAuthDatabaseURL }),
		get:        func(c *Config) string { return c.FusionAuthDatabaseURL },
		hide:       hidePassword,
	},
	{
		name:    "UCI_CONVERSATION_TABLE",
		about:   "The table of conversations, written as in SQL: with its schema where it needs one, in double quotes where letter case matters.",
		example: `public."Bot"`,
		preset:  "bot",
		set:     setTable(func(c *Config) *string { return &c.ConversationTable }),
		get:     func(c *Config) string { return c.ConversationTable },
	},
	{
		name:    "UCI_USERS_TABLE",
		about:   "The table of users.",
		example: "public.users",
		preset:  "users",
		set:     setTable(func(c *Config) *string { return &c.UsersTable }),
		get:     func(c *Config) string { return c.UsersTable },
	},
	{
		name:    "UCI_REGISTRATIONS_TABLE",
		about:   "The table of users' registrations to conversations.",
		example: "public.user_registrations",
		preset:  "user_registrations",
		set:     setTable(func(c *Config) *string { return &c.RegistrationsTable }),
		get:     func(c *Config) string { return c.RegistrationsTable },
	},
	{
		name:    "UCI_IDENTITIES_TABLE",
		about:   "The table of users' encrypted phone numbers.",
		example: "public.identities",
		preset:  "identities",
		set:     setTable(func(c *Config) *string { return &c.IdentitiesTable }),
		get:     func(c *Config) string { return c.IdentitiesTable },
	},
	{
		name:       "UCI_ENCRYPTION_SECRET",
		about:      "The secret with which UCI encrypts phone numbers: base64 of an AES key of 16, 24 or 32 bytes. Without it they stay hidden. Never shown.",
		example:    "c2l4dGVlbiBieXRlIGtleQ==",
		derivation: "none: phone numbers stay hidden",
		set:        setEncryptionSecret,
		get:        func(c *Config) string { return c.EncryptionSecret },
		hide:       hideAll,
	},
	{
		name:       "EXHAUST_TELEMETRY_STORE",
		about:      "Where telemetry lies: `azblob://container/prefix`, or `file://` and a folder.",
		example:    "azblob://telemetry/raw",
		derived:    func(c *Config) string { return "file://" + c.DataDir + "/telemetry" },
		derivation: "`file://<EXHAUST_DATA_DIR>/telemetry`",
		set:        setStore(func(c *Config) *string { return &c.TelemetryStore }),
		get:        func(c *Config) string { return c.TelemetryStore },
	},
	{
		name:       "EXHAUST_REPORTS_STORE",
		about:      "Where exhausts are put: `azblob://container/prefix`, or `file://` and a folder.",
		example:    "azblob://reports",
		derived:    func(c *Config) string { return "file://" + c.DataDir + "/reports" },
		derivation: "`file://<EXHAUST_DATA_DIR>/reports`",
		set:        setStore(func(c *Config) *string { return &c.ReportsStore }),
		get:        func(c *Config) string { return c.ReportsStore },
	},
	{
		name:    "EXHAUST_TELEMETRY_LAYOUT",
		about:   "How the names of a day's telemetry objects begin, after the store's prefix.",
		example: "{yyyy}/{MM}/{dd}/",
		preset:  "{yyyy}-{MM}-{dd}",
		set:     setLayout,
		get:     func(c *Config) string { return c.TelemetryLayout },
	},
	{
		name:       "EXHAUST_PDATA_ID",
		about:      "The producer (`context.pdata.id`) whose events count.",
		example:    "prod.UCI.sunbird",
		derivation: "none: any producer",
		set:        func(c *Config, value string) error { c.PdataID = value; return nil },
		get:        func(c *Config) string { return c.PdataID },
	},
	{
		name:    "EXHAUST_ADDR",
		about:   "Where the API listens, `host:port`. Without a host it listens on every address of the machine.",
		example: "0.0.0.0:8080",
		preset:  "127.0.0.1:8080",
		set:     setAddr,
		get:     func(c *Config) string { return c.Addr },
	},
	{
		name:       "EXHAUST_PUBLIC_URL",
		about:      "Where clients reach the API; the download URLs of a `file://` reports store begin with it. Workers sign such URLs too: give them the same.",
		example:    "https://exhaust.example.org",
		derived:    localURL,
		derivation: "`http://` and `EXHAUST_ADDR`, with `127.0.0.1` where that is every address",
		set:        setPublicURL,
		get:        func(c *Config) string { return c.PublicURL },
	},
	{
		name:    "EXHAUST_URL_TTL",
		about:   "How long a download URL works, `1m` to `168h` (Azure signs for seven days at most).",
		example: "12h",
		preset:  "24h",
		set:     setDuration(func(c *Config) *time.Duration { return &c.URLTTL }, time.Minute, 168*time.Hour),
		get:     func(c *Config) string { return duration(c.URLTTL) },
	},
	{
		name:    "EXHAUST_TIMEZONE",
		about:   "The time zone in which days begin and end, by its IANA name.",
		example: "UTC",
		preset:  "Asia/Kolkata",
		set:     setTimezone,
		get:     timezone,
	},
	{
		name:    "EXHAUST_MAX_DAYS",
		about:   "How many days one exhaust may cover, 1 to 3660.",
		example: "31",
		preset:  "366",
		set:     setMaxDays,
		get:     func(c *Config) string { return strconv.Itoa(c.MaxDays) },
	},
	{
		name:    "EXHAUST_TIMEOUT",
		about:   "How long an exhaust is tried, `1m` to `720h`, before it has failed.",
		example: "6h",
		preset:  "24h",
		set:     setDuration(func(c *Config) *time.Duration { return &c.Timeout }, time.Minute, 720*time.Hour),
		get:     func(c *Config) string { return duration(c.Timeout) },
	},
	{
		name:    "EXHAUST_ASSUME_CONSENT",
		about:   "`true` takes consent as given where none is recorded, as Sunbird's jobs did: it shows phone numbers.",
		example: "true",
		preset:  "false",
		set:     setBool(func(c *Config) *bool { return &c.AssumeConsent }),
		get:     func(c *Config) string { return strconv.FormatBool(c.AssumeConsent) },
	},
	{
		name:    "EXHAUST_CSV_DIALECT",
		about:   "`rfc4180` writes a quote within a cell as `\"\"`, `spark` as `\\\"` and a backslash as `\\\\`, as Sunbird's files did.",
		example: "spark",
		preset:  "rfc4180",
		set:     setDialect,
		get:     func(c *Config) string { return string(c.CSVDialect) },
	},
	{
		name:    "EXHAUST_TASK_QUEUE",
		about:   "The Temporal task queue that API and workers share.",
		example: "exhaust-blue",
		preset:  "exhaust",
		set:     setTaskQueue,
		get:     func(c *Config) string { return c.TaskQueue },
	},
	{
		name:    "EXHAUST_MODE",
		about:   "When an exhaust runs that does not say so itself (`runAt`): `now`, or `nightly`.",
		example: "nightly",
		preset:  "now",
		set:     setMode,
		get:     func(c *Config) string { return c.Mode },
	},
	{
		name:    "EXHAUST_NIGHTLY_CRON",
		about:   "When the night runs, as five cron fields in `EXHAUST_TIMEZONE`.",
		example: "30 1 * * *",
		preset:  "0 2 * * *",
		set:     setNightlyCron,
		get:     func(c *Config) string { return c.NightlyCron },
	},
	{
		name:    "EXHAUST_NIGHTLY_CONCURRENCY",
		about:   "How many exhausts the night runs at once, 1 to 32.",
		example: "4",
		preset:  "8",
		set:     setNightlyConcurrency,
		get:     func(c *Config) string { return strconv.Itoa(c.NightlyConcurrency) },
	},
	{
		name:    "EXHAUST_REPORT_RETENTION",
		about:   "How long a report is kept after its exhaust was completed, `1h` to `87600h`. The night deletes it.",
		example: "168h",
		preset:  "720h",
		set:     setDuration(func(c *Config) *time.Duration { return &c.ReportRetention }, time.Hour, 87600*time.Hour),
		get:     func(c *Config) string { return duration(c.ReportRetention) },
	},
	{
		name:       "EXHAUST_WEBHOOK_SECRET",
		about:      "The key that signs the webhooks of recurring exhausts, at least 16 characters. Without it there are none. Never shown.",
		example:    "a-long-random-text-shared-with-receivers",
		derivation: "none: no webhooks",
		set:        setWebhookSecret,
		get:        func(c *Config) string { return c.WebhookSecret },
		hide:       hideAll,
	},
	{
		name:    "EXHAUST_WEBHOOK_ALLOW_PRIVATE",
		about:   "`true` lets webhooks go to private, loopback and link-local addresses.",
		example: "true",
		preset:  "false",
		set:     setBool(func(c *Config) *bool { return &c.WebhookAllowPrivate }),
		get:     func(c *Config) string { return strconv.FormatBool(c.WebhookAllowPrivate) },
	},
	{
		name:    "AZURE_STORAGE_CONNECTION_STRING",
		about:   "The storage account of `azblob://` stores, with its key. It counts where both are set. Never shown.",
		example: "DefaultEndpointsProtocol=https;AccountName=exhaust;AccountKey=…;EndpointSuffix=core.windows.net",
		set:     func(c *Config, value string) error { c.AzureConnectionString = value; return nil },
		get:     func(c *Config) string { return c.AzureConnectionString },
		hide:    hideAll,
	},
	{
		name:    "AZURE_STORAGE_ACCOUNT",
		about:   "The storage account of `azblob://` stores, by its name or `https://` endpoint; signs in with Azure's default credential chain.",
		example: "exhaust",
		set:     func(c *Config, value string) error { c.AzureAccount = value; return nil },
		get:     func(c *Config) string { return c.AzureAccount },
	},
}

func setDataDir(c *Config, value string) error {
	if strings.ContainsAny(value, "?#%") {
		return errors.New("it must be a folder without ?, # or % in its name")
	}
	dir, err := filepath.Abs(value)
	c.DataDir = dir
	return err
}

func setDatabase(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if file, ok := strings.CutPrefix(value, "sqlite://"); ok {
			if file == "" || strings.HasPrefix(file, ":") || strings.ContainsAny(file, "?#%") {
				return errors.New("after sqlite:// it must name a file, without ?, # or % in its name")
			}
			file, err := filepath.Abs(file)
			*field(c) = "sqlite://" + file
			return err
		}
		if err := checkPostgres(value); err != nil {
			return err
		}
		*field(c) = value
		return nil
	}
}

// checkPostgres never lets url.Parse's own error through: it quotes the URL.
func checkPostgres(value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil && (strings.HasPrefix(value, "postgres://") || strings.HasPrefix(value, "postgresql://")):
		return errors.New("it is no URL; characters of the password other than letters and digits must be percent-encoded, such as %23 for #")
	case err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Opaque != "":
		return errors.New("it must be postgres://user:password@host:port/database or sqlite:///file")
	case strings.Contains(value, "#") || strings.ContainsAny(u.Host+u.Path, "@") || strings.Contains(u.RawQuery, "@"):
		return errors.New("characters of the password other than letters and digits must be percent-encoded, such as %23 for #")
	case len(u.Path) < 2 || strings.Contains(u.Path[1:], "/"):
		return errors.New("it must end in /database, the database's name")
	}
	return nil
}

// identifier is a bare or a quoted name, as package registry takes them.
const identifier = `(?:[A-Za-z_][A-Za-z0-9_$]{0,62}|"[A-Za-z0-9_$ -]{1,63}")`

var tableName = regexp.MustCompile(`^` + identifier + `(?:\.` + identifier + `)?$`)

func setTable(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if !tableName.MatchString(value) {
			return errors.New(`it must be a table as SQL writes it, such as bot, uci.bot or public."Bot"`)
		}
		*field(c) = value
		return nil
	}
}

func setEncryptionSecret(c *Config, value string) error {
	_, err := exhaust.NewCipher(value)
	c.EncryptionSecret = value
	return err
}

// setStore holds stores to the rules of package blob's OpenURL.
func setStore(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, value string) error {
		if rest, ok := strings.CutPrefix(value, "azblob://"); ok {
			if err := checkContainer(rest); err != nil {
				return err
			}
			*field(c) = value
			return nil
		}
		rest, ok := strings.CutPrefix(value, "file://")
		folder, err := url.PathUnescape(rest)
		if !ok || err != nil || folder == "" {
			return errors.New("it must be azblob://container/prefix or file:///folder")
		}
		folder, err = filepath.Abs(folder)
		*field(c) = "file://" + strings.ReplaceAll(folder, "%", "%25")
		return err
	}
}

var containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

func checkContainer(rest string) error {
	container, prefix, _ := strings.Cut(rest, "/")
	if len(container) < 3 || len(container) > 63 || !containerName.MatchString(container) {
		return errors.New("after azblob:// it must name a container: 3 to 63 characters a-z, 0-9 and single hyphens between them")
	}
	if strings.ContainsAny(prefix, "?#") {
		return errors.New("the prefix after the container must hold neither ? nor #; credentials go into AZURE_STORAGE_CONNECTION_STRING")
	}
	return nil
}

func setLayout(c *Config, value string) error {
	for _, part := range []string{"{yyyy}", "{MM}", "{dd}"} {
		if strings.Count(value, part) != 1 {
			return errors.New("it must hold {yyyy}, {MM} and {dd} once each, such as {yyyy}-{MM}-{dd} or {yyyy}/{MM}/{dd}/")
		}
	}
	c.TelemetryLayout = value
	return nil
}

func setAddr(c *Config, value string) error {
	host, port, err := net.SplitHostPort(value)
	number, numberErr := strconv.ParseUint(port, 10, 16)
	if err != nil || numberErr != nil || number == 0 || strings.ContainsAny(host, " /@") {
		return errors.New("it must be host:port or :port, with a port from 1 to 65535")
	}
	c.Addr = value
	return nil
}

// localURL is how the machine itself reaches Addr.
func localURL(c *Config) string {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func setPublicURL(c *Config, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.User != nil || strings.ContainsAny(value, "?#") {
		return errors.New("it must be http:// or https:// with a host, without user, query or fragment, such as https://exhaust.example.org")
	}
	c.PublicURL = strings.TrimRight(value, "/")
	return nil
}

func setDuration(field func(*Config) *time.Duration, least, most time.Duration) func(*Config, string) error {
	return func(c *Config, value string) error {
		d, err := time.ParseDuration(value)
		if err != nil || d < least || d > most {
			return fmt.Errorf("it must be a duration from %s to %s, such as 90m or 24h", duration(least), duration(most))
		}
		*field(c) = d
		return nil
	}
}

// duration writes 24h where time.Duration would write 24h0m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// setTimezone refuses Local, which is another zone on another machine.
func setTimezone(c *Config, value string) error {
	zone, err := time.LoadLocation(value)
	if err != nil || value == "Local" {
		return errors.New("it must be the IANA name of a time zone, such as Asia/Kolkata or UTC")
	}
	c.Timezone = zone
	return nil
}

func timezone(c *Config) string {
	if c.Timezone == nil {
		return ""
	}
	return c.Timezone.String()
}

func setMaxDays(c *Config, value string) error {
	days, err := strconv.Atoi(value)
	if err != nil || days < 1 || days > 3660 {
		return errors.New("it must be a number of days from 1 to 3660")
	}
	c.MaxDays = days
	return nil
}

// setBool takes no other words: what may show phone numbers is not guessed.
func setBool(field func(*Config) *bool) func(*Config, string) error {
	return func(c *Config, value string) error {
		if value != "true" && value != "false" {
			return errors.New("it must be true or false")
		}
		*field(c) = value == "true"
		return nil
	}
}

func setMode(c *Config, value string) error {
	if value != "now" && value != "nightly" {
		return errors.New("it must be now or nightly")
	}
	c.Mode = value
	return nil
}

var fiveFields = regexp.MustCompile(`^[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){4}$`)

// setNightlyCron checks the form; Temporal, whose schedule it becomes, checks the rest.
func setNightlyCron(c *Config, value string) error {
	if !fiveFields.MatchString(value) {
		return errors.New("it must be five cron fields (minute, hour, day of month, month, day of week), such as 0 2 * * *")
	}
	c.NightlyCron = value
	return nil
}

func setNightlyConcurrency(c *Config, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > 32 {
		return errors.New("it must be a number from 1 to 32")
	}
	c.NightlyConcurrency = n
	return nil
}

func setWebhookSecret(c *Config, value string) error {
	if len(value) < 16 {
		return errors.New("it must have at least 16 characters")
	}
	c.WebhookSecret = value
	return nil
}

func setDialect(c *Config, value string) error {
	dialect, err := report.ParseDialect(value)
	if err != nil {
		return fmt.Errorf("it must be %s or %s", report.RFC4180, report.Spark)
	}
	c.CSVDialect = dialect
	return nil
}

var taskQueueName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,200}$`)

func setTaskQueue(c *Config, value string) error {
	if !taskQueueName.MatchString(value) {
		return errors.New("it must be 1 to 200 characters of A-Z a-z 0-9 . _ -")
	}
	c.TaskQueue = value
	return nil
}

// checkConnectionString demands the account's key where reports are signed: without it there are
// no download URLs.
func checkConnectionString(value string, signs bool) error {
	parts := make(map[string]bool)
	for part := range strings.SplitSeq(value, ";") {
		name, content, _ := strings.Cut(part, "=")
		parts[name] = content != ""
	}
	switch {
	case !parts["AccountName"] || !parts["AccountKey"] && !parts["SharedAccessSignature"]:
		return errors.New("it must hold AccountName=…;AccountKey=…, as the Azure portal shows it under Access keys")
	case signs && !parts["AccountKey"]:
		return errors.New("it must hold AccountKey=…, because the reports' download URLs are signed with it")
	}
	return nil
}

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

func checkAccount(value string) error {
	if accountName.MatchString(value) {
		return nil
	}
	if u, err := url.Parse(value); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" {
		return nil
	}
	return errors.New("it must be the account's name, 3 to 24 characters a-z and 0-9, or its https:// endpoint")
}
