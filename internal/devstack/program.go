package devstack

import (
	"context"
	"syscall"
)

// ProgramOptions are those of [StartProgram].
type ProgramOptions struct {
	// Name stands in errors and is the log's: Name.log.
	Name string
	// Command is the program's path and its arguments.
	Command []string
	// Env is what the program gets beside PATH, HOME and TMPDIR, as NAME=value.
	Env []string
	// Dir is the working directory, where the log goes too; "" is a temporary folder removed on Stop.
	Dir string
	// Serves is what it serves, such as its address, for errors.
	Serves string
	// Ready is nil once the program serves. It is asked again and again.
	Ready func(context.Context) error
}

// StartProgram starts any program, which ends on SIGTERM, as the servers of this package are started. It lives until Stop
// or the end of ctx.
func StartProgram(ctx context.Context, opts ProgramOptions) (*Child, error) {
	plan := func(dir string) (daemon, error) {
		return daemon{
			serves: opts.Serves, command: opts.Command, env: opts.Env, dir: dir,
			stop: syscall.SIGTERM, crash: syscall.SIGKILL,
			ready: opts.Ready,
		}, nil
	}
	return startChild(ctx, opts.Name, opts.Dir, plan)
}
