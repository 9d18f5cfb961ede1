package app

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/config"
	"data-exhaust/service"
)

// deploymentOptions are those of every SDK worker of a process: all its task queues belong to one version, or a workflow's
// activities on another queue would go to workers of any. Without EXHAUST_DEPLOYMENT they say nothing.
func deploymentOptions(cfg config.Config) (worker.DeploymentOptions, error) {
	if cfg.Deployment == "" {
		return worker.DeploymentOptions{}, nil
	}
	buildID := cfg.BuildID
	if buildID == "" {
		var err error
		if buildID, err = defaultBuildID(); err != nil {
			return worker.DeploymentOptions{}, fmt.Errorf("EXHAUST_BUILD_ID is not set: %w", err)
		}
	}
	return worker.DeploymentOptions{
		UseVersioning: true,
		Version:       worker.WorkerDeploymentVersion{DeploymentName: cfg.Deployment, BuildID: buildID},
		// What waits (for the night, for others) goes on on the current version: else it would keep workers of old
		// versions needed for as long as it waits.
		DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	}, nil
}

// pinned registers a workflow that ends on the version that it began on. A worker without a version does not say so.
var pinned = workflow.RegisterOptions{VersioningBehavior: workflow.VersioningBehaviorPinned}

// maxBuildID is how long a build id may be, as EXHAUST_BUILD_ID.
const maxBuildID = 128

var notInBuildID = regexp.MustCompile(`[^A-Za-z0-9._+-]+`)

// defaultBuildID is the code's version in the characters of a build id. A version that many programs have, because their
// sources were changed since, gets the program's hash behind it.
func defaultBuildID() (string, error) {
	version, err := buildVersion()
	if err != nil {
		return "", err
	}
	id := strings.Trim(notInBuildID.ReplaceAllString(version, "-"), "._+-")
	if strings.HasSuffix(version, isModified) {
		sum, err := hashProgram()
		if err != nil {
			return "", err
		}
		const digits = 12
		id = id[:min(len(id), maxBuildID-1-digits)] + "-" + sum[:digits]
	}
	return id[:min(len(id), maxBuildID)], nil
}

// ErrNoDeployment is of a command about versions where EXHAUST_DEPLOYMENT is not set.
var ErrNoDeployment = errors.New("EXHAUST_DEPLOYMENT is not set: workers have no versions")

// WithDeployment calls do with the deployment of the settings.
func WithDeployment(cfg config.Config, do func(d *service.Deployment) error) error {
	if cfg.Deployment == "" {
		return ErrNoDeployment
	}
	c, namespace, err := DialTemporal(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	return do(service.NewDeployment(c, namespace, cfg.Deployment, cfg.TaskQueue))
}
