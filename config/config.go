// Package config is the settings, read from the environment (secrets also from files that it names) and all checked at
// start; it may not connect to or create anything.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"data-exhaust/access"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// Config is every setting, valid. Its printed, logged and marshalled forms hide what is secret.
// docs/settings.md tells what each means.
type Config struct {
	// DataDir is absolute.
	DataDir string
	// The databases are sqlite:// with an absolute path, or postgres://.
	DatabaseURL, UCIDatabaseURL, FusionAuthDatabaseURL string
	// The tables are names as SQL writes them, perhaps with a schema, perhaps quoted.
	ConversationTable, UsersTable, RegistrationsTable, IdentitiesTable string
	// EncryptionSecret makes an exhaust.Cipher; "" leaves phone numbers hidden.
	EncryptionSecret string
	// The stores are file:// with an absolute path, or azblob://container/prefix.
	TelemetryStore, ReportsStore string
	TelemetryLayout              string
	// PdataID is "" where events of any producer belong to an exhaust.
	PdataID string
	// Addr is where the API listens, host:port.
	Addr string
	// PublicURL is where clients reach it, without a slash in the end.
	PublicURL string
	// TemporalUIURL is where people reach Temporal's UI, without a slash in the end; "" where nobody does.
	TemporalUIURL string
	URLTTL        time.Duration
	Timezone      *time.Location
	MaxDays       int
	Timeout       time.Duration
	AssumeConsent bool
	CSVDialect    report.Dialect
	TaskQueue     string
	// Deployment is the Worker Deployment of which a worker is the version BuildID; "" where workers have no versions.
	// BuildID is "" where it is the code's version.
	Deployment, BuildID string
	// Mode is "now" or "nightly": when an exhaust starts that does not say so itself.
	Mode string
	// NightlyCron is five fields, in Timezone.
	NightlyCron        string
	NightlyConcurrency int
	NightlyWatch       time.Duration
	ReportRetention    time.Duration
	// SummaryMinDevices is how many devices have given an answer at least for a summary to list it.
	SummaryMinDevices int
	// CSVByteOrderMark and CSVFormulaGuard are for spreadsheets.
	CSVByteOrderMark, CSVFormulaGuard bool
	// SettleTime is how long a telemetry object must have been left alone before it is called corrupt.
	SettleTime time.Duration
	// SigningKey makes blob.ParseKey's key; "" takes the one in DataDir.
	SigningKey string
	// ReceiptKey makes receipt.ParseKey's key; "" takes the one in DataDir.
	ReceiptKey string
	// WebhookKeys are empty where there are no webhooks.
	WebhookKeys         exhaust.WebhookKeys
	WebhookAllowPrivate bool
	// Auth is "none", "tokens" or "jwt". BehindGateway says that with "none" a gateway asks instead.
	Auth          string
	BehindGateway bool
	// TokenFile is the file of tokens; "" where they are in the database.
	TokenFile string
	// JWT is only read where Auth is "jwt"; its Log is nil.
	JWT access.JWTOptions
	// OpenID has a client only where Auth is "jwt".
	OpenID access.OpenIDOptions
	// RateLimit is how many requests a second a caller may make, RateBurst how many at once; 0 is any number.
	RateLimit, RateBurst int
	// ChannelLimit is how many exhausts of a channel may be under way; 0 is any number.
	ChannelLimit int
	// AuditLog is the path of a file; "" writes to the log of the process.
	AuditLog       string
	TrustedProxies access.TrustedProxies
	// PrivatePurpose demands a purpose of private exhausts.
	PrivatePurpose bool
	// TLSCertificate and TLSPrivateKey are files; "" where the API speaks plain HTTP.
	TLSCertificate, TLSPrivateKey string
	// MetricsToken lets whoever has it read the metrics.
	MetricsToken string
	// Token is that with which the starter calls the API.
	Token string
	// AzureConnectionString is used where both are given.
	AzureConnectionString, AzureAccount string
	// AzureAPIVersion is the service version of requests and signed URLs.
	AzureAPIVersion string

	// isSet names the settings that the environment held; the others are defaults.
	isSet map[string]bool
}

// Load reads the settings from an environment such as os.Environ(): of a name that stands there
// twice the first counts, and an empty value is none. The error holds every fault, one a line.
func Load(environ []string) (Config, error) {
	c := Config{isSet: make(map[string]bool)}
	settings := c.settings()
	var known []string
	for _, s := range settings {
		known = append(known, s.names()...)
	}
	values := make(map[string]string)
	var unknown []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		value = strings.TrimSpace(value)
		if values[name] != "" || value == "" {
			continue
		}
		values[name] = value
		if strings.HasPrefix(name, "EXHAUST_") && !slices.Contains(known, name) {
			unknown = append(unknown, unknownName(name, known))
		}
	}
	slices.SortFunc(unknown, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })

	files, faults := readSecretFiles(settings, values)
	for _, s := range settings {
		c.isSet[s.name] = values[s.name] != ""
		value := cmp.Or(values[s.name], s.fallback())
		if value == "" {
			continue
		}
		if err := s.value.set(value); err != nil {
			faults = append(faults, s.fault(value, files[s.name], err))
		}
	}
	faults = append(faults, c.checkAzure(files), c.checkLayout(), c.checkWebhookKeys(), c.checkAuth(), c.checkTLS())
	if err := errors.Join(append(faults, unknown...)...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// fileSuffix ends the name by which a setting that holds a secret is given as a file.
const fileSuffix = "_FILE"

// names are the names by which the setting can be given.
func (s setting) names() []string {
	if s.hide == nil {
		return []string{s.name}
	}
	return []string{s.name, s.name + fileSuffix}
}

// readSecretFiles puts into values the values that are given as files, and returns those files by the setting's name. White
// space around a value in a file does not count, as in the environment: editors end a file with a line end.
func readSecretFiles(settings []setting, values map[string]string) (files map[string]string, faults []error) {
	files = make(map[string]string)
	for _, s := range settings {
		file := values[s.name+fileSuffix]
		if s.hide == nil || file == "" {
			continue
		}
		value, err := readSecret(s.name, values[s.name], file)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		values[s.name], files[s.name] = value, file
	}
	return files, faults
}

// Secret is the value of a secret that other programs know by that name too, such as TEMPORAL_API_KEY: it can be given as
// the settings' own secrets can. "" where it is not given; the error names the fault, never the value.
func Secret(name string) (string, error) {
	value, file := strings.TrimSpace(os.Getenv(name)), strings.TrimSpace(os.Getenv(name+fileSuffix))
	if file == "" {
		return value, nil
	}
	return readSecret(name, value, file)
}

// readSecret reads a secret that is given as a file. Given as a value too, it is an error.
func readSecret(name, value, file string) (string, error) {
	if value != "" {
		return "", fmt.Errorf("%s and %s%s are both set: set one of them", name, name, fileSuffix)
	}
	value, err := readSecretFile(file)
	if err != nil {
		return "", fmt.Errorf("%s%s is %q, %w", name, fileSuffix, file, err)
	}
	return value, nil
}

// maxSecretFile bounds what is read of a file that is no secret.
const maxSecretFile = 64 << 10

// readSecretFile never returns an error that quotes the file.
func readSecretFile(name string) (string, error) {
	file, err := os.Open(name)
	if err == nil {
		defer file.Close()
		var content []byte
		content, err = io.ReadAll(io.LimitReader(file, maxSecretFile+1))
		switch value := strings.TrimSpace(string(content)); {
		case err != nil:
		case len(content) > maxSecretFile:
			return "", fmt.Errorf("which has more than %d bytes", maxSecretFile)
		case value == "":
			return "", errors.New("which is empty")
		default:
			return value, nil
		}
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err // the name stands in front already
	}
	return "", fmt.Errorf("which cannot be read: %w", err)
}

// checkLayout demands that the telemetry store can hold objects of such names; else no telemetry would ever be found.
func (c *Config) checkLayout() error {
	location, isStore := blob.ParseURL(c.TelemetryStore)
	layout, err := telemetry.ParseLayout(c.TelemetryLayout)
	if !isStore || err != nil {
		return nil // which is another fault
	}
	if err := location.CheckNames(layout.Prefix("2022-03-01")); err != nil {
		return fmt.Errorf("EXHAUST_TELEMETRY_LAYOUT is %q: names that begin so %w", c.TelemetryLayout, err)
	}
	return nil
}

// checkWebhookKeys says nothing where one of the keys is not valid, which is another fault.
func (c *Config) checkWebhookKeys() error {
	for name, key := range map[string]string{
		"EXHAUST_WEBHOOK_SECRET": c.WebhookKeys.Signing, "EXHAUST_WEBHOOK_SECRET_PREVIOUS": c.WebhookKeys.SigningPrevious,
		"EXHAUST_SEALING_KEY": c.WebhookKeys.Sealing, "EXHAUST_SEALING_KEY_PREVIOUS": c.WebhookKeys.SealingPrevious,
	} {
		if c.isSet[name] && key == "" {
			return nil
		}
	}
	return c.WebhookKeys.Check()
}

// checkAuth demands what a way to sign in needs.
func (c *Config) checkAuth() error {
	if c.Auth != AuthJWT {
		return c.checkNoOpenID()
	}
	var faults []error
	for _, missing := range []struct{ name, value, what string }{
		{"EXHAUST_JWT_ISSUER", c.JWT.Issuer, "whose tokens count"},
		{"EXHAUST_JWT_AUDIENCE", c.JWT.Audience, "for whom tokens have to be made"},
	} {
		if missing.value == "" && !c.isSet[missing.name] {
			faults = append(faults, fmt.Errorf("%s is missing: with EXHAUST_AUTH=jwt it says %s", missing.name, missing.what))
		}
	}
	for _, name := range []string{"EXHAUST_OPENID_CLIENT_SECRET", "EXHAUST_OPENID_SCOPES"} {
		if c.isSet[name] && !c.isSet["EXHAUST_OPENID_CLIENT_ID"] {
			faults = append(faults, fmt.Errorf("%s is set, and EXHAUST_OPENID_CLIENT_ID is missing: it says which client that is of", name))
		}
	}
	return errors.Join(faults...)
}

// checkNoOpenID refuses a client of a provider whose tokens nobody asks for: whoever has set one believes that people sign in there.
func (c *Config) checkNoOpenID() error {
	var faults []error
	for _, name := range []string{"EXHAUST_OPENID_CLIENT_ID", "EXHAUST_OPENID_CLIENT_SECRET", "EXHAUST_OPENID_SCOPES"} {
		if c.isSet[name] && c.Auth != "" {
			faults = append(faults, fmt.Errorf("%s is set, and EXHAUST_AUTH is %s: people sign in at an OpenID provider where it is jwt", name, c.Auth))
		}
	}
	return errors.Join(faults...)
}

func (c *Config) checkTLS() error {
	if (c.TLSCertificate == "") == (c.TLSPrivateKey == "") {
		return nil
	}
	return errors.New("EXHAUST_TLS_CERTIFICATE and EXHAUST_TLS_PRIVATE_KEY belong together: set both, or neither")
}

// Setting is one setting as it may be shown to anybody.
type Setting struct {
	Name string
	// Value hides secrets and the passwords within URLs as "xxxxx".
	Value string
	// Default tells that the environment did not hold it.
	Default bool
}

// Public lists the settings in the order of docs/settings.md.
func (c Config) Public() []Setting {
	var public []Setting
	for _, s := range c.settings() {
		value := s.value.get()
		if value != "" && s.hide != nil {
			value = s.hide(value)
		}
		public = append(public, Setting{Name: s.name, Value: value, Default: !c.isSet[s.name]})
	}
	return public
}

// String lists name=value of the settings that are not empty, without what is secret.
func (c Config) String() string {
	var words []string
	for _, s := range c.Public() {
		if s.Value != "" {
			words = append(words, s.Name+"="+s.Value)
		}
	}
	return strings.Join(words, " ")
}

// GoString is String, so that %#v shows no secret either.
func (c Config) GoString() string { return c.String() }

// MarshalText is String, so that no encoder writes a secret.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue is a group of the settings that are not empty, without what is secret.
func (c Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range c.Public() {
		if s.Value != "" {
			attrs = append(attrs, slog.String(s.Name, s.Value))
		}
	}
	return slog.GroupValue(attrs...)
}

// Doc is the table of docs/settings.md, in Markdown.
func Doc() string {
	var b strings.Builder
	b.WriteString("| name | default | what it is | example |\n|---|---|---|---|\n")
	for _, s := range new(Config).settings() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` |\n", s.name, s.documentedDefault(), s.about, s.example)
	}
	return b.String()
}

// checkAzure demands an account where a store is in Azure, and checks it only then: the names are
// Azure's own, and the machine may have them for other reasons.
func (c *Config) checkAzure(files map[string]string) error {
	telemetry, reports := strings.HasPrefix(c.TelemetryStore, "azblob://"), strings.HasPrefix(c.ReportsStore, "azblob://")
	switch {
	case !telemetry && !reports:
		return nil
	case c.AzureConnectionString != "":
		if err := blob.CheckConnectionString(c.AzureConnectionString, reports); err != nil {
			return hiddenFault("AZURE_STORAGE_CONNECTION_STRING", files["AZURE_STORAGE_CONNECTION_STRING"], err)
		}
		return nil
	case c.AzureAccount != "":
		if err := blob.CheckAccount(c.AzureAccount); err != nil {
			return fmt.Errorf("AZURE_STORAGE_ACCOUNT is %q: %w", c.AzureAccount, err)
		}
		return nil
	}
	store := "EXHAUST_TELEMETRY_STORE"
	if !telemetry {
		store = "EXHAUST_REPORTS_STORE"
	}
	return fmt.Errorf("%s is in Azure: set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT to sign in with Azure's default credentials", store)
}

// kubernetesServiceLink matches the variables that a Service called exhaust or exhaust-… gives to
// every pod beside it: …_SERVICE_HOST, …_SERVICE_PORT, …_SERVICE_PORT_HTTP, …_PORT,
// …_PORT_8080_TCP, …_PORT_8080_TCP_ADDR and so on.
var kubernetesServiceLink = regexp.MustCompile(`_SERVICE_HOST|_SERVICE_PORT|_PORT$|_PORT_[0-9]+_(TCP|UDP|SCTP)`)

// unknownName says which setting was probably meant.
func unknownName(name string, known []string) error {
	if kubernetesServiceLink.MatchString(name) {
		return fmt.Errorf("%s is no setting: Kubernetes puts it in for a Service of that name; set enableServiceLinks: false in the pod, or name the Service otherwise", name)
	}
	if nearest := nearestName(name, known); nearest != "" {
		return fmt.Errorf("%s is no setting: did you mean %s?", name, nearest)
	}
	return fmt.Errorf("%s is no setting: docs/settings.md lists them all", name)
}

// nearestName is the setting whose name differs in the fewest letters, at most a third of them;
// "" where there is none. What comes before the first underscore does not count, as
// EXHAUST_ENCRYPTION_SECRET means UCI_ENCRYPTION_SECRET.
func nearestName(name string, all []string) string {
	_, name, _ = strings.Cut(name, "_")
	nearest, least := "", max(2, len(name)/3)+1
	for _, known := range all {
		_, rest, _ := strings.Cut(known, "_")
		if d := levenshtein.ComputeDistance(name, rest); d < least {
			nearest, least = known, d
		}
	}
	return nearest
}

const mask = "xxxxx"

func hideAll(string) string { return mask }

// hidePassword hides a valid database URL's passwords: of its user, and those that lib/pq takes
// from the query.
func hidePassword(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return mask
	}
	query := strings.Split(u.RawQuery, "&")
	for i, parameter := range query {
		if name, _, _ := strings.Cut(parameter, "="); strings.Contains(strings.ToLower(name), "password") {
			query[i] = name + "=" + mask
		}
	}
	u.RawQuery = strings.Join(query, "&")
	return u.Redacted()
}
