package deploy

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"data-exhaust/config"
	"data-exhaust/internal/devstack"
)

func TestComposeStartsTheServicesOfTheStackInOrder(t *testing.T) {
	project := mustLoadCompose(t, exampleEnv(t))
	got := map[string]map[string]string{}
	for _, name := range project.ServiceNames() {
		got[name] = map[string]string{}
		for on, dependency := range project.Services[name].DependsOn {
			got[name][on] = dependency.Condition
		}
	}
	const healthy, done = types.ServiceConditionHealthy, types.ServiceConditionCompletedSuccessfully
	want := map[string]map[string]string{
		"postgres":    {},
		"azurite":     {},
		"temporal":    {"postgres": healthy},
		"temporal-ui": {"temporal": healthy},
		"setup":       {"postgres": healthy, "temporal": healthy, "azurite": healthy},
		"api":         {"setup": done},
		"worker":      {"setup": done},
	}
	if !equalJSON(t, got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestComposeWithoutAnEnvFileSaysWhatToCopy(t *testing.T) {
	_, err := loadCompose(t, nil)
	if err == nil || !strings.Contains(err.Error(), "copy .env.example to .env") {
		t.Errorf("got %v", err)
	}
}

func TestEveryVariableOfTheComposeFileIsInTheExampleAndTheOtherWayRound(t *testing.T) {
	example := exampleEnv(t)
	model, err := loader.LoadModelWithContext(t.Context(), composeDetails(t, example), func(o *loader.Options) { o.SkipInterpolation = true })
	if err != nil {
		t.Fatal(err)
	}
	variables := template.ExtractVariables(model, nil)
	if got, want := sortedKeys(example), sortedKeys(variables); !slices.Equal(got, want) {
		t.Errorf(".env.example sets %q\nthe file uses     %q", got, want)
	}
	content, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range regexp.MustCompile(`\$\{[A-Z0-9_]+(:?.?)`).FindAllStringSubmatch(string(content), -1) {
		if use[1] != ":-" && use[1] != ":?" {
			t.Errorf("%s… has neither a default (:-) nor is it demanded (:?)", use[0])
		}
	}
}

// Whoever copied .env.example before it had the setting has none.
func TestComposeSpeaksTheNewestServiceVersionThatItsAzuriteKnows(t *testing.T) {
	older := exampleEnv(t)
	delete(older, "EXHAUST_AZURE_API_VERSION")
	for name, env := range map[string]map[string]string{"with .env.example": exampleEnv(t), "with an older .env": older} {
		project := mustLoadCompose(t, env)
		for _, service := range []string{"setup", "api", "worker"} {
			if got := environment(project.Services[service])["EXHAUST_AZURE_API_VERSION"]; got != devstack.AzuriteAPIVersion {
				t.Errorf("%s: %s speaks %q, want %s", name, service, got, devstack.AzuriteAPIVersion)
			}
		}
		if command := project.Services["azurite"].Command; slices.Contains(command, "--skipApiVersionCheck") {
			t.Errorf("%s: Azurite takes any version: %q", name, command)
		}
	}
}

func TestNoSecretIsInTheComposeFile(t *testing.T) {
	secrets := map[string]string{
		"POSTGRES_PASSWORD":               "sentinelPassword",
		"UCI_ENCRYPTION_SECRET":           "sentinelSecret",
		"EXHAUST_WEBHOOK_SECRET":          "sentinelWebhooks",
		"EXHAUST_WEBHOOK_SECRET_PREVIOUS": "sentinelFormerWebhooks",
		"EXHAUST_SEALING_KEY":             "sentinelSealing",
		"EXHAUST_SEALING_KEY_PREVIOUS":    "sentinelFormerSealing",
		"EXHAUST_RECEIPT_KEY":             "sentinelReceipts",
		"AZURE_STORAGE_CONNECTION_STRING": "sentinelConnection",
	}
	env := exampleEnv(t)
	maps.Copy(env, secrets)
	secretive := regexp.MustCompile(`PASSWORD|_PWD|SECRET|CONNECTION_STRING|_KEY`)
	password := regexp.MustCompile(`://[^/]*:([^/]*)@`)
	seen := map[string]bool{}
	for _, service := range mustLoadCompose(t, env).Services {
		for name, value := range environment(service) {
			secret := ""
			if secretive.MatchString(name) {
				secret = value
			} else if found := password.FindStringSubmatch(value); found != nil {
				secret = found[1]
			}
			if secret != "" && !strings.HasPrefix(secret, "sentinel") {
				t.Errorf("%s of service %s does not come from .env", name, service.Name)
			}
			seen[secret] = true
		}
	}
	for name, value := range secrets {
		if !seen[value] {
			t.Errorf("%s reaches no service", name)
		}
	}
}

func TestEveryImageIsPinnedToTheVersionThatTheTestsRun(t *testing.T) {
	project := mustLoadCompose(t, exampleEnv(t))
	tools := readFile(t, "tools/go.mod")
	version := func(pattern, content string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(content)
		if found == nil {
			t.Fatalf("no %s", pattern)
		}
		return found[1]
	}
	server := version(`go\.temporal\.io/server v(\S+)`, tools)
	ui := version(`github\.com/temporalio/ui-server/v2 v(\S+)`, tools)
	azurite := version(`"azurite": "([^"]+)"`, readFile(t, "tools/package.json"))
	want := map[string]string{
		"temporal":    `temporalio/auto-setup:` + regexp.QuoteMeta(server),
		"temporal-ui": `temporalio/ui:` + regexp.QuoteMeta(ui),
		"azurite":     `mcr\.microsoft\.com/azure-storage/azurite:` + regexp.QuoteMeta(azurite),
		"postgres":    `postgres:15\.\d+-bookworm`,
		"setup":       `data-exhaust:local`,
		"api":         `data-exhaust:local`,
		"worker":      `data-exhaust:local`,
	}
	for name, service := range project.Services {
		if !regexp.MustCompile(`^` + want[name] + `$`).MatchString(service.Image) {
			t.Errorf("service %s runs image %s, want %s", name, service.Image, want[name])
		}
	}
	builder := readDockerfile(t)[0].all("FROM")[0]
	minor := version(`(?m)^go (\d+\.\d+)\.\d+$`, readFile(t, "go.mod"))
	if !regexp.MustCompile(`^--platform=\$BUILDPLATFORM golang:` + regexp.QuoteMeta(minor) + `\.\d+-bookworm AS build$`).MatchString(builder) {
		t.Errorf("the image is built FROM %s, want a patch version of Go %s", builder, minor)
	}
}

func TestEveryServiceHasAHealthCheckAndTheOneShotHasNone(t *testing.T) {
	for name, service := range mustLoadCompose(t, exampleEnv(t)).Services {
		check := service.HealthCheck
		switch {
		case check == nil:
			t.Errorf("service %s has no health check", name)
		case name == "setup":
			if !check.Disable || service.Restart != "no" {
				t.Errorf("setup runs once: restart is %q, its health check is %v", service.Restart, check)
			}
		case check.Disable || len(check.Test) < 2 || check.Test[0] != "CMD" || check.Timeout == nil || check.Interval == nil || check.Retries == nil:
			t.Errorf("the health check of service %s is %v", name, check)
		case service.Restart != "unless-stopped":
			t.Errorf("service %s is restarted %q", name, service.Restart)
		}
	}
}

func TestOurServicesMayDoNothingButWriteTheirVolume(t *testing.T) {
	services := ours(mustLoadCompose(t, exampleEnv(t)))
	if len(services) != 3 {
		t.Fatalf("%d services run our image", len(services))
	}
	for _, s := range services {
		if s.User != "65532:65532" || !s.ReadOnly || s.Privileged || len(s.CapAdd) > 0 ||
			!slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("service %s: user %q, read_only %t, cap_drop %q, cap_add %q, security_opt %q", s.Name, s.User, s.ReadOnly, s.CapDrop, s.CapAdd, s.SecurityOpt)
		}
		if len(s.Volumes) != 1 || s.Volumes[0].Source != "exhaust-data" || s.Volumes[0].Target != "/data" {
			t.Errorf("service %s mounts %v", s.Name, s.Volumes)
		}
	}
}

func TestOnlyTheAPIAndTheUIArePublishedAndOnlyOnThisMachine(t *testing.T) {
	var got []string
	for _, service := range mustLoadCompose(t, exampleEnv(t)).Services {
		for _, p := range service.Ports {
			got = append(got, service.Name+" "+p.HostIP+" "+p.Published)
		}
		if service.NetworkMode != "" {
			t.Errorf("service %s has network_mode %s", service.Name, service.NetworkMode)
		}
	}
	slices.Sort(got)
	if want := []string{"api 127.0.0.1 8080", "temporal-ui 127.0.0.1 8233"}; !slices.Equal(got, want) {
		t.Errorf("published: %q, want %q", got, want)
	}
}

func TestEveryVolumeIsANamedOne(t *testing.T) {
	project := mustLoadCompose(t, exampleEnv(t))
	used := map[string]bool{}
	for _, service := range project.Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeVolume || v.Source == "" {
				t.Errorf("service %s mounts %v", service.Name, v)
			}
			used[v.Source] = true
		}
	}
	if got, want := sortedKeys(used), project.VolumeNames(); !slices.Equal(got, want) {
		t.Errorf("mounted: %q, declared: %q", got, want)
	}
}

func TestEverySettingInTheEnvFileReachesOurServices(t *testing.T) {
	var names []string
	for _, setting := range (config.Config{}).Public() {
		if setting.Name == "EXHAUST_TOKEN" {
			continue // it is the operator's, for his commands alone
		}
		names = append(names, setting.Name)
	}
	project := mustLoadCompose(t, exampleEnv(t))
	for _, service := range ours(project) {
		env := environment(service)
		for _, name := range names {
			if _, there := env[name]; !there {
				t.Errorf("service %s is not given %s", service.Name, name)
			}
		}
	}
	env := exampleEnv(t)
	env["EXHAUST_TIMEZONE"], env["EXHAUST_CSV_DIALECT"], env["UCI_DATABASE_URL"] = "UTC", "spark", "postgres://reader:x@elsewhere:5432/uci"
	for _, service := range ours(mustLoadCompose(t, env)) {
		cfg, err := config.Load(environ(environment(service)))
		if err != nil {
			t.Fatalf("service %s: %v", service.Name, err)
		}
		if cfg.Timezone.String() != "UTC" || cfg.CSVDialect != "spark" || cfg.UCIDatabaseURL != env["UCI_DATABASE_URL"] {
			t.Errorf("service %s has other settings: %s", service.Name, cfg)
		}
	}
}

func TestServicesAreGivenMoreTimeToStopThanTheyTake(t *testing.T) {
	project := mustLoadCompose(t, exampleEnv(t))
	for name, takes := range map[string]time.Duration{"api": 15 * time.Second, "worker": 10 * time.Second} {
		if grace := project.Services[name].StopGracePeriod; grace == nil || time.Duration(*grace) <= takes {
			t.Errorf("%s is killed after %v, it may take %s to stop", name, grace, takes)
		}
	}
}

func TestTheImageIsStaticUnprivilegedAndHasAHealthCheck(t *testing.T) {
	stages := readDockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages", len(stages))
	}
	image := stages[1]
	for word, want := range map[string][]string{
		"FROM":        {"scratch"},
		"USER":        {"65532:65532"},
		"HEALTHCHECK": {`--interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["starter", "health", "--alive"]`},
		"CMD":         {`["api"]`},
		"RUN":         nil,
	} {
		if got := image.all(word); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
	if !strings.HasPrefix(stages[0].all("COPY")[0], "go.mod go.sum ") {
		t.Error("the modules are not downloaded in a layer of their own")
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	if errLeft != nil || errRight != nil {
		t.Fatal(errLeft, errRight)
	}
	return string(left) == string(right)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
