package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

func TestACancellationIsNoErrorInTheLog(t *testing.T) {
	for want, err := range map[string]error{
		`level=INFO msg="Activity error." TaskQueue=exhaust Attempt=1 Error=canceled`:                                   temporal.NewCanceledError(),
		`level=ERROR msg="Activity error." TaskQueue=exhaust Attempt=1 Error="registry: no answer (type: Unavailable)"`: errors.New("registry: no answer (type: Unavailable)"),
	} {
		var written bytes.Buffer
		log := sdklog.With(sdklog.NewStructuredLogger(slog.New(sdkLog{slog.NewTextHandler(&written, nil)})), "TaskQueue", "exhaust")
		log.Error("Activity error.", "Attempt", 1, "Error", err)
		if _, got, _ := strings.Cut(strings.TrimSpace(written.String()), " "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
