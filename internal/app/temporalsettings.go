package app

import (
	"cmp"
	"fmt"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"data-exhaust/config"
)

// temporalOptions are those of Temporal's own settings, in which an API key may be given as a file too. They always name an
// address and a namespace.
func temporalOptions() (client.Options, error) {
	key, err := config.Secret(apiKeyName)
	if err != nil {
		return client.Options{}, fmt.Errorf("the TEMPORAL_ settings: %w", err)
	}
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: temporalEnvironment{apiKey: key}})
	if err != nil {
		return client.Options{}, fmt.Errorf("the TEMPORAL_ settings: %w", err)
	}
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)
	options.HostPort = cmp.Or(options.HostPort, client.DefaultHostPort)
	return options, nil
}

const apiKeyName = "TEMPORAL_API_KEY"

// temporalEnvironment is the environment of the process with the API key in it. The key stays out of the real one, which
// child processes inherit.
type temporalEnvironment struct{ apiKey string }

func (e temporalEnvironment) Environ() []string { return os.Environ() }

func (e temporalEnvironment) LookupEnv(name string) (string, bool) {
	if name == apiKeyName && e.apiKey != "" {
		return e.apiKey, true
	}
	return os.LookupEnv(name)
}
