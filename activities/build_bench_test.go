//go:build unix

package activities_test

import (
	"context"
	"os"
	"testing"

	"github.com/google/uuid"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/cputest"
	"data-exhaust/internal/sample"
)

// BenchmarkBuildReport makes reports of staged segments, from the look-up of the devices to the committed files: of
// 960,000 lines of telemetry, a third of which match, on four days, and 100,000 devices. MB/s are of CSV. Run it on one core
// with
//
//	go test ./activities -run '^$' -bench BuildReport -cpu 1
func BenchmarkBuildReport(b *testing.B) {
	r := newRig(b)
	set := sample.New(sample.Options{
		Until: "2022-03-04", Days: 4, EventsPerDay: 240_000, Conversations: 1, Devices: 100_000, Channel: channel,
	})
	ctx := context.Background()
	create := func(ctx context.Context, name string) (blob.Writer, error) {
		return r.telemetryStore.Create(ctx, name, "")
	}
	if err := sample.WriteTelemetry(ctx, set, create); err != nil {
		b.Fatal(err)
	}
	r.deps.UCI = fastUCI{username: r.cipher.Encrypt("phone:9999900001")}
	r.Activities = activities.New(r.deps, r.settings)
	talk := set.Conversations()[0]
	for _, dataset := range []exhaust.Dataset{exhaust.ResponseExhaust, exhaust.PrivateExhaust} {
		var parts []activities.Fetched
		for i, day := range set.Days() {
			fetch := r.fetchInput(r.part(day, day))
			fetch.Dataset, fetch.ConversationID, fetch.Part.Number = dataset, talk.ID, i
			parts = append(parts, must[activities.Fetched](r, r.FetchTelemetry, fetch))
		}
		in := buildInput(dataset, parts...)
		in.Conversation, in.Request.ConversationID = talk, talk.ID
		in.Request.StartDate, in.Request.EndDate = set.Days()[0], set.Until
		b.Run(string(dataset), func(b *testing.B) {
			b.ReportAllocs()
			var built activities.Built
			stop := cputest.Watch(b)
			for b.Loop() {
				built = must[activities.Built](r, r.BuildReport, in)
			}
			info, err := os.Stat(r.reportsDir + "/" + built.Report)
			if err != nil {
				b.Fatal(err)
			}
			stop(info.Size())
			b.SetBytes(info.Size())
			b.ReportMetric(float64(built.RowsWritten), "rows")
		})
	}
}

// fastUCI knows everybody, without a database: package registry has its own benchmark.
type fastUCI struct {
	activities.UCI
	username string
}

func (u fastUCI) Devices(_ context.Context, ids []uuid.UUID, withUsername bool) ([]exhaust.Device, error) {
	devices := make([]exhaust.Device, len(ids))
	for i, id := range ids {
		devices[i] = exhaust.Device{ID: id, Consent: exhaust.Consent(id[0] % 3)}
		if withUsername {
			devices[i].Username = u.username
		}
	}
	return devices, nil
}
