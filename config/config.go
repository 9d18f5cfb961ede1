// Package config reads the settings, from the environment only, and checks all of them at start.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"data-exhaust/report"
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
	PublicURL     string
	URLTTL        time.Duration
	Timezone      *time.Location
	MaxDays       int
	Timeout       time.Duration
	AssumeConsent bool
	CSVDialect    report.Dialect
	TaskQueue     string
	// Mode is "now" or "nightly": when an exhaust runs that does not say so itself.
	Mode string
	// NightlyCron is five fields, in Timezone.
	NightlyCron        string
	NightlyConcurrency int
	ReportRetention    time.Duration
	// WebhookSecret signs webhooks; "" where there are none.
	WebhookSecret       string
	WebhookAllowPrivate bool
	// AzureConnectionString is used where both are given.
	AzureConnectionString, AzureAccount string

	// given names the settings that the environment held; the others are defaults.
	given map[string]bool
}

// Load reads the settings from an environment such as os.Environ(): of a name that stands there
// twice the first counts, and an empty value is none. The error holds every fault, one a line.
func Load(environ []string) (Config, error) {
	values := make(map[string]string)
	var unknown []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		value = strings.TrimSpace(value)
		if _, twice := values[name]; twice || value == "" {
			continue
		}
		values[name] = value
		if strings.HasPrefix(name, "EXHAUST_") && !slices.ContainsFunc(settings, func(s setting) bool { return s.name == name }) {
			unknown = append(unknown, unknownName(name))
		}
	}
	slices.SortFunc(unknown, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })

	c := Config{given: make(map[string]bool)}
	var faults []error
	for _, s := range settings {
		value, given := values[s.name]
		if !given {
			value = s.fallback(&c)
		}
		c.given[s.name] = given
		if value == "" {
			continue
		}
		if err := s.set(&c, value); err != nil {
			faults = append(faults, s.fault(value, err))
		}
	}
	faults = append(faults, c.checkAzure()...)
	if err := errors.Join(append(faults, unknown...)...); err != nil {
		return Config{}, err
	}
	return c, nil
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
	public := make([]Setting, len(settings))
	for i, s := range settings {
		value := s.get(&c)
		if value != "" && s.hide != nil {
			value = s.hide(value)
		}
		public[i] = Setting{Name: s.name, Value: value, Default: !c.given[s.name]}
	}
	return public
}

// String lists name=value of the settings that are not empty, without what is secret.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range c.Public() {
		if s.Value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", s.Name, s.Value)
	}
	return b.String()
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
	for _, s := range settings {
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s` |\n", s.name, s.documentedDefault(), s.about, s.example)
	}
	return b.String()
}

// checkAzure demands an account where a store is in Azure, and checks it only then: the names are
// Azure's own, and the machine may have them for other reasons.
func (c *Config) checkAzure() []error {
	telemetry, reports := strings.HasPrefix(c.TelemetryStore, "azblob://"), strings.HasPrefix(c.ReportsStore, "azblob://")
	switch {
	case !telemetry && !reports:
		return nil
	case c.AzureConnectionString != "":
		if err := checkConnectionString(c.AzureConnectionString, reports); err != nil {
			return []error{fmt.Errorf("AZURE_STORAGE_CONNECTION_STRING is not valid (its value is not shown): %w", err)}
		}
		return nil
	case c.AzureAccount != "":
		if err := checkAccount(c.AzureAccount); err != nil {
			return []error{fmt.Errorf("AZURE_STORAGE_ACCOUNT is %q: %w", c.AzureAccount, err)}
		}
		return nil
	}
	store := "EXHAUST_TELEMETRY_STORE"
	if !telemetry {
		store = "EXHAUST_REPORTS_STORE"
	}
	return []error{fmt.Errorf("%s is in Azure: set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT to sign in with Azure's default credentials", store)}
}

// unknownName says which setting was probably meant.
func unknownName(name string) error {
	if kubernetesServiceLink(name) {
		return fmt.Errorf("%s is no setting: Kubernetes puts it in for a Service of that name; set enableServiceLinks: false in the pod, or name the Service otherwise", name)
	}
	if nearest := nearestName(name); nearest != "" {
		return fmt.Errorf("%s is no setting: did you mean %s?", name, nearest)
	}
	return fmt.Errorf("%s is no setting: docs/settings.md lists them all", name)
}

// kubernetesServiceLink knows the variables that a Service called exhaust or exhaust-… gives to
// every pod beside it: …_SERVICE_HOST, …_SERVICE_PORT, …_SERVICE_PORT_HTTP, …_PORT,
// …_PORT_8080_TCP, …_PORT_8080_TCP_ADDR and so on.
func kubernetesServiceLink(name string) bool {
	if strings.Contains(name, "_SERVICE_HOST") || strings.Contains(name, "_SERVICE_PORT") || strings.HasSuffix(name, "_PORT") {
		return true
	}
	_, after, found := strings.Cut(name, "_PORT_")
	digits := strings.TrimLeft(after, "0123456789")
	return found && digits != after && (strings.HasPrefix(digits, "_TCP") || strings.HasPrefix(digits, "_UDP") || strings.HasPrefix(digits, "_SCTP"))
}

// nearestName is the setting whose name differs in the fewest letters, at most a third of them;
// "" where there is none. What comes before the first underscore does not count, as
// EXHAUST_ENCRYPTION_SECRET means UCI_ENCRYPTION_SECRET.
func nearestName(name string) string {
	_, name, _ = strings.Cut(name, "_")
	nearest, least := "", max(2, len(name)/3)+1
	for _, s := range settings {
		_, known, _ := strings.Cut(s.name, "_")
		if d := editDistance(name, known); d < least {
			nearest, least = s.name, d
		}
	}
	return nearest
}

// editDistance counts the letters to insert, remove or replace to make b of a (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

const hidden = "xxxxx"

func hideAll(string) string { return hidden }

// hidePassword hides a valid database URL's passwords: of its user, and those that lib/pq takes
// from the query.
func hidePassword(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return hidden
	}
	query := strings.Split(u.RawQuery, "&")
	for i, parameter := range query {
		if name, _, _ := strings.Cut(parameter, "="); strings.Contains(strings.ToLower(name), "password") {
			query[i] = name + "=" + hidden
		}
	}
	u.RawQuery = strings.Join(query, "&")
	return u.Redacted()
}
