package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
	"data-exhaust/service"
)

func newDeployment() *cobra.Command {
	command := &cobra.Command{
		Use:   "deployment",
		Short: "Versions of the workers: show them, make one current, move exhausts off a lost one",
		Long: `Versions of the workers: show them, make one current, move exhausts off a lost one (docs/deploy.md).

There are versions only where EXHAUST_DEPLOYMENT names a deployment. It works on Temporal, not through
the API.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("say what to do; see `%s --help`", cmd.CommandPath())
		},
	}
	command.AddCommand(newDeploymentShow(), newDeploymentSetCurrent(), newDeploymentRamp(), newDeploymentMove())
	return command
}

func newDeploymentShow() *cobra.Command {
	command := &cobra.Command{
		Use:   "show",
		Short: "Show the versions, what is still open on them, and what is to be done about it",
		Long: `Show the versions, what is still open on them, and what is to be done about it.

WORKERS have polled within the last 90 s. EXHAUSTS have begun on the version and end on it: it needs its
workers until there are none. OTHERS (nights, firings of schedules, exhausts that wait for the night) go on
on the current version by themselves.`,
	}
	return withDeployment(command, func(cmd *cobra.Command, d *service.Deployment, cfg config.Config, _ []string) error {
		versions, err := d.Versions(cmd.Context())
		if err != nil {
			return err
		}
		err = printTable(cmd, "BUILD ID\tSTATE\tWORKERS\tEXHAUSTS\tOTHERS", versions, func(v service.Version) string {
			return fmt.Sprintf("%s\t%s\t%d\t%d\t%d", cmp.Or(v.BuildID, "(no version)"), describeState(v, cfg.Timezone), v.Workers, v.Exhausts, v.Others)
		})
		if err != nil {
			return err
		}
		for _, v := range versions {
			for _, advice := range adviseOn(v) {
				fmt.Fprintf(cmd.OutOrStdout(), "\n%s\n", advice)
			}
		}
		return nil
	})
}

func describeState(v service.Version, zone *time.Location) string {
	state := string(v.State)
	if v.State == service.Ramping {
		state += fmt.Sprintf(" %g %%", v.RampPercent)
	}
	if v.BuildID == "" && v.State == service.Inactive {
		return ""
	}
	if v.Since.IsZero() {
		return state
	}
	return state + " since " + v.Since.In(zone).Format("2006-01-02 15:04:05 MST")
}

// adviseOn says what an operator should do about a version.
func adviseOn(v service.Version) (advice []string) {
	if v.BuildID == "" {
		switch {
		case v.State == service.Current && v.Workers == 0:
			advice = append(advice, "No version is current, so no worker gets anything to do: `starter deployment set-current BUILD_ID`.")
		case v.State != service.Current && v.Workers > 0:
			advice = append(advice, fmt.Sprintf("%d workers without a version get nothing to do: stop them.", v.Workers))
		}
		return advice
	}
	switch {
	case v.Workers > 0 && v.State == service.Drained && v.Exhausts == 0:
		advice = append(advice, fmt.Sprintf("%s is drained: its workers can be stopped.", v.BuildID))
	case v.Workers == 0 && (v.State == service.Current || v.State == service.Ramping):
		advice = append(advice, fmt.Sprintf("%s is %s and has no worker, so what begins on it waits: start its workers.", v.BuildID, v.State))
	}
	if v.Workers == 0 && v.Exhausts > 0 {
		advice = append(advice, fmt.Sprintf("%s has no worker, and %d exhausts are pinned to it: they wait, also to be cancelled. Start its workers\n"+
			"again, which is always safe. Where they are gone for good and the current version continues their work\n"+
			"(CHANGELOG.md says where it does not): `starter deployment move %s`.", v.BuildID, v.Exhausts, v.BuildID))
	}
	return advice
}

func newDeploymentSetCurrent() *cobra.Command {
	var (
		wait        time.Duration
		unversioned bool
	)
	command := &cobra.Command{
		Use:   "set-current BUILD_ID",
		Short: "Let all that begins, begin on a version",
		Long: `Let all that begins, begin on a version. Exhausts that have begun stay on theirs; nights, schedules and
exhausts that wait for the night go on on the current one.

A version is known once a worker of it has polled, which is waited for.`,
		Example: `  starter deployment set-current 1.4.0
  starter deployment set-current --unversioned   # workers without EXHAUST_DEPLOYMENT`,
		Args: cobra.MaximumNArgs(1),
	}
	addWait(command, &wait)
	command.Flags().BoolVar(&unversioned, "unversioned", false, "workers without EXHAUST_DEPLOYMENT instead of a version")
	return withDeployment(command, func(cmd *cobra.Command, d *service.Deployment, _ config.Config, args []string) error {
		if unversioned == (len(args) == 1) {
			return usage("name a BUILD_ID, or --unversioned")
		}
		id := ""
		if !unversioned {
			id = args[0]
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), wait)
		defer cancel()
		if err := d.SetCurrent(ctx, id); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), cmp.Or(id, "(no version)"), "is current")
		return nil
	})
}

func newDeploymentRamp() *cobra.Command {
	var wait time.Duration
	command := &cobra.Command{
		Use:     "ramp BUILD_ID PERCENT",
		Short:   "Let some of what begins, begin on a version; 0 ends that",
		Example: `  starter deployment ramp 1.4.0 10`,
		Args:    cobra.ExactArgs(2),
	}
	addWait(command, &wait)
	return withDeployment(command, func(cmd *cobra.Command, d *service.Deployment, _ config.Config, args []string) error {
		percent, err := strconv.ParseFloat(args[1], 32)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return usage("PERCENT is %q: it must be a number from 0 to 100", args[1])
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), wait)
		defer cancel()
		if err := d.Ramp(ctx, args[0], float32(percent)); err != nil {
			return err
		}
		if percent == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), args[0], "is not ramping any more")
			return nil
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%g %% of what begins, begins on %s\n", percent, args[0])
		return nil
	})
}

func newDeploymentMove() *cobra.Command {
	command := &cobra.Command{
		Use:   "move FROM_BUILD_ID",
		Short: "Pin the exhausts of a version whose workers are gone for good to the current one",
		Long: `Pin the exhausts of a version whose workers are gone for good to the current one, which takes them on
where they were. The id of each one's workflow is printed.

The current version's code must continue what the old one's began; CHANGELOG.md says where it does not.
Starting a worker of the old version again is always safe. It is refused while such a worker polls.`,
		Args: cobra.ExactArgs(1),
	}
	return withDeployment(command, func(cmd *cobra.Command, d *service.Deployment, _ config.Config, args []string) error {
		count := 0
		err := d.Move(cmd.Context(), args[0], func(workflowID, to string) {
			count++
			fmt.Fprintln(cmd.OutOrStdout(), "moved", workflowID, "to", to)
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "%d exhausts moved\n", count)
		return nil
	})
}

func addWait(command *cobra.Command, wait *time.Duration) {
	command.Flags().DurationVar(wait, "wait", time.Minute, "how long to wait for the version's workers at the most")
}

// withDeployment completes a command that works on the deployment of the settings; its first argument is a build id.
func withDeployment(command *cobra.Command, do func(cmd *cobra.Command, d *service.Deployment, cfg config.Config, args []string) error) *cobra.Command {
	command.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := loadSettings()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			if err := config.CheckBuildID(args[0]); err != nil {
				return usage("the build id is %q: %w", args[0], err)
			}
		}
		err = app.WithDeployment(cfg, func(d *service.Deployment) error { return do(cmd, d, cfg, args) })
		switch {
		case errors.Is(err, service.ErrNoVersion):
			return &codedError{exitNotFound, err}
		case errors.Is(err, app.ErrNoDeployment):
			return &codedError{exitUsage, err}
		}
		return err
	}
	return command
}
