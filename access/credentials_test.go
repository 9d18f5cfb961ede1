package access_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
)

func TestCredentialsAreNeverShown(t *testing.T) {
	c := access.Credentials{AccessToken: "S3CRET-a", RefreshToken: "S3CRET-r", IDToken: "S3CRET-i", ExpiresAt: time.Now()}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("signed in", "credentials", c, "in a struct", struct{ C access.Credentials }{c}, "pointer", &c)
	}
	inJSON, err := json.Marshal(map[string]any{"credentials": c, "pointer": &c})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c) + fmt.Sprint(&c, struct{ C access.Credentials }{c}) + log.String() + string(inJSON)
	if strings.Contains(shown, "S3CRET") || strings.Count(shown, "credentials (not shown)") < 12 {
		t.Errorf("they are shown:\n%s", shown)
	}
}

func TestCredentialsSayWhenTheyNeedRefreshAndWhenTheyEnd(t *testing.T) {
	now := time.Date(2022, 4, 6, 15, 2, 0, 0, time.UTC)
	hour := now.Add(time.Hour)
	for _, c := range []struct {
		name        string
		credentials access.Credentials
		need        bool
		end         time.Time
	}{
		{"a token of this service", access.Credentials{ExpiresAt: hour}, false, hour},
		{"one that has expired", access.Credentials{ExpiresAt: now}, false, now},
		{"a provider's", access.Credentials{ExpiresAt: now.Add(11 * time.Second), RefreshToken: "r", RefreshUntil: hour}, false, hour},
		{"a provider's that ends soon", access.Credentials{ExpiresAt: now.Add(10 * time.Second), RefreshToken: "r", RefreshUntil: hour}, true, hour},
		{"a provider's that has expired", access.Credentials{ExpiresAt: now.Add(-time.Hour), RefreshToken: "r"}, true, time.Time{}},
	} {
		if need, end := c.credentials.NeedRefresh(now), c.credentials.EndsAt(); need != c.need || !end.Equal(c.end) {
			t.Errorf("%s: got %t, %s; want %t, %s", c.name, need, end, c.need, c.end)
		}
	}
}
