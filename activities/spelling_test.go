package activities_test

import (
	"strings"
	"testing"

	"data-exhaust/activities"
	"data-exhaust/exhaust"
)

// Device UUID is as the registry spells it, Device ID as telemetry does (contract section 4).
func TestADeviceUUIDIsSpelledAsTheRegistryDoes(t *testing.T) {
	const id = "abcdefab-cdef-4abc-8def-abcdefabcdef"
	r := newRig(t)
	r.exec(`INSERT INTO users (id, data) VALUES ($1, '{}')`, strings.ToUpper(id))
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:00Z", id), answer("b", "2022-03-01T10:00:01Z", device(3)))
	in := r.fetchInput(r.part("2022-03-01", "2022-03-01"))
	in.Dataset = exhaust.PrivateExhaust
	_, built := r.joinAndBuild(exhaust.PrivateExhaust, must[activities.Fetched](r, r.FetchTelemetry, in))
	got := rows(t, r.report(built.Report))
	if want := strings.ToUpper(id) + " " + device(3); column(got, 4) != want || column(got, 2) != want {
		t.Errorf("Device UUID %s, shown %s; want %s", column(got, 4), column(got, 2), want)
	}
}
