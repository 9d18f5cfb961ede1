// Command starter is the operator's command line: it may ask the API for exhausts and start the services
// on one machine, but decide nothing itself about what an exhaust is or holds.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"data-exhaust/config"
)

// Exit codes, for scripts.
const (
	exitError     = 1
	exitUsage     = 2
	exitFailed    = 3 // the exhaust FAILED
	exitCancelled = 4 // the exhaust was CANCELLED
	exitNotFound  = 5 // there is no such exhaust, or no such version of the workers
	exitNotEnded  = 6 // it had not ended when the time to wait was over
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:]))
}

func execute(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitError
	if coded, ok := errors.AsType[*codedError](err); ok {
		code, err = coded.code, coded.err
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	return code
}

// codedError ends the command with an exit code of its own. Without an err the command has already
// printed what it has to say.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codedError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &codedError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "starter",
		Short: "Ask for exhausts, follow them, and run Data Exhaust on one machine",
		Long: `Ask for exhausts, follow them, and run Data Exhaust on one machine.

Settings are read from the environment (docs/settings.md).

Exit codes: 0 done, 1 error, 2 wrong use, 3 the exhaust FAILED, 4 it was CANCELLED,
5 there is no such exhaust or version, 6 it had not ended when the time to wait was over.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddCommand(
		newDev(), newDemo(), newMigrate(), newSetup(), newHealth(), newGen(),
		newSubmit(), newRead(), newList(), newWait(), newDownload(), newCancel(), newRetry(),
		newVerify(), newReplay(), newRun(), newErase(), newSchedule(), newWebhookSecret(), newToken(), newDeployment(),
	)
	wrapArgs(root.Commands())
	return root
}

// wrapArgs gives a wrong number of arguments the exit code of wrong use.
func wrapArgs(commands []*cobra.Command) {
	for _, command := range commands {
		check := command.Args
		if check == nil {
			check = cobra.NoArgs
		}
		command.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage("%w; see `%s --help`", err, cmd.CommandPath())
			}
			return nil
		}
		wrapArgs(command.Commands())
	}
}

// withSettings makes the RunE of a command that needs the settings.
func withSettings(do func(cmd *cobra.Command, cfg config.Config) error) func(cmd *cobra.Command, args []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadSettings()
		if err != nil {
			return err
		}
		return do(cmd, cfg)
	}
}

// loadSettings reads the settings from the environment.
func loadSettings() (config.Config, error) {
	cfg, err := config.Load(os.Environ())
	if err != nil {
		return config.Config{}, &codedError{code: exitUsage, err: err}
	}
	return cfg, nil
}

func newLogger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
