// Command tool prints the paths of programs that tools/ pins, built first where necessary, such as
// `$(go run ./internal/devstack/cmd/tool staticcheck) ./...`; it may not start them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"data-exhaust/internal/devstack"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: tool NAME...; there are %s", strings.Join(devstack.Tools, ", ")))
	}
	for _, name := range os.Args[1:] {
		path, err := devstack.Tool(ctx, name, os.Stderr)
		if err != nil {
			fail(err)
		}
		fmt.Println(path)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tool:", err)
	os.Exit(1)
}
