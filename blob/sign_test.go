package blob

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestASignedURLIsAnHMACOverWhatItMayDo(t *testing.T) {
	store := signing(t, "https://exhaust.example/files/reports/", testKey)
	got := sign(t, store, "a b/ü.csv", time.Unix(1649237520, 999))
	mac := hmac.New(sha256.New, testKey)
	mac.Write([]byte("read\n/files/reports\na b/ü.csv\n1649237520"))
	want := "https://exhaust.example/files/reports/a%20b/%C3%BC.csv?expires=1649237520&signature=" + hex.EncodeToString(mac.Sum(nil))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestADownloadIsKeptByNobodyAndSniffedByNobody(t *testing.T) {
	store, _ := servedLocal(t)
	for name, contentType := range map[string]string{
		"a.csv": "text/csv; charset=utf-8", "a.zip": "application/zip", "a.html": "application/octet-stream",
	} {
		put(t, store, name, []byte("<html>"))
		response, _ := fetch(t, http.DefaultClient, http.MethodGet, sign(t, store, name, time.Now().Add(time.Minute)), nil)
		wantHeaders(t, response, map[string]string{"Content-Type": contentType, "Content-Disposition": "attachment; filename=" + name,
			"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})
	}
	name := "रिपोर्ट \"1\".csv"
	put(t, store, name, nil)
	response, _ := fetch(t, http.DefaultClient, http.MethodGet, sign(t, store, name, time.Now().Add(time.Minute)), nil)
	wantHeaders(t, response, map[string]string{
		"Content-Disposition": "attachment; filename*=utf-8''%E0%A4%B0%E0%A4%BF%E0%A4%AA%E0%A5%8B%E0%A4%B0%E0%A5%8D%E0%A4%9F%20%221%22.csv"})
}

func TestARefusalTellsNothing(t *testing.T) {
	store, _ := servedLocal(t)
	put(t, store, "there.csv", []byte("x"))
	valid := sign(t, store, "there.csv", time.Now().Add(time.Hour))
	bad := "This download link is not valid.\n"
	base, _, _ := strings.Cut(valid, "?")
	for _, test := range []struct {
		method, url string
		status      int
		want        string
	}{
		{"GET", base, 403, bad},
		{"GET", strings.Replace(base, "there", "missing", 1), 403, bad},
		{"GET", strings.Replace(valid, "there", "missing", 1), 403, bad},
		{"GET", strings.Replace(valid, "there.csv", "%2e%2e/%2e%2e/etc/passwd", 1), 403, bad},
		{"GET", strings.Replace(valid, "there.csv", ".tmp/x", 1), 403, bad},
		{"GET", base + "?expires=99999999999&signature=", 403, bad},
		{"GET", base + "?expires=x&signature=zz", 403, bad},
		{"GET", valid + "&expires=99999999999", 403, bad},
		{"GET", valid + "0", 403, bad},
		{"GET", valid[:len(valid)-2], 403, bad},
		{"GET", sign(t, store, "there.csv", time.Now().Add(-time.Second)), 403, "This download link has expired, ask for the exhaust again to get a new one.\n"},
		{"GET", sign(t, store, "missing.csv", time.Now().Add(time.Hour)), 404, "The file is not there any more.\n"},
		{"GET", store.signer.url("../../../etc/passwd", time.Now().Add(time.Hour)), 500, "The file cannot be read at the moment.\n"},
		{"POST", valid, 405, "A download link can only be read: use GET or HEAD.\n"},
		{"OPTIONS", base, 405, "A download link can only be read: use GET or HEAD.\n"},
	} {
		response, body := fetch(t, http.DefaultClient, test.method, test.url, nil)
		if response.StatusCode != test.status || string(body) != test.want {
			t.Errorf("%s %s answers %d %q, want %d %q", test.method, test.url, response.StatusCode, body, test.status, test.want)
		}
	}
}

func TestAURLOfOneStoreOpensNothingInAnother(t *testing.T) {
	reports := signing(t, "http://127.0.0.1:8080/files/reports", testKey)
	telemetry := signing(t, "http://127.0.0.1:8080/files/telemetry", testKey)
	keyless := signing(t, "http://127.0.0.1:8080/files/reports", nil)
	query := queryOf(t, sign(t, reports, "a.csv", time.Now().Add(time.Hour))).Encode()
	emptyKeySum := hex.EncodeToString(keyless.signer.sum("a.csv", "99999999999"))
	for _, test := range []struct {
		store *Local
		query string
		want  int
	}{
		{reports, query, 200},
		{telemetry, query, 403},
		{keyless, query, 403},
		{keyless, "expires=99999999999&signature=" + emptyKeySum, 403},
	} {
		put(t, test.store, "a.csv", []byte("x"))
		answer := httptest.NewRecorder()
		test.store.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/a.csv?"+test.query, nil))
		if answer.Code != test.want {
			t.Errorf("the answer is %d, want %d", answer.Code, test.want)
		}
	}
}

func TestAStoreWithoutKeyOrBaseURLDoesNotSign(t *testing.T) {
	for _, opts := range []LocalOptions{{}, {Key: testKey}, {BaseURL: "http://127.0.0.1:8080/files"}} {
		store, err := NewLocal(t.TempDir(), opts)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := store.SignURL(context.Background(), "a.csv", time.Now().Add(time.Hour))
		if signed != "" || err == nil || !strings.Contains(err.Error(), "no base URL or no key") {
			t.Errorf("SignURL gave %q, %v", signed, err)
		}
	}
	for _, opts := range []LocalOptions{{Key: testKey[:31]}, {BaseURL: "/files"}, {BaseURL: "http://host/files?x=y"}, {BaseURL: "ftp://host/"}} {
		if _, err := NewLocal(t.TempDir(), opts); err == nil || strings.Contains(err.Error(), string(testKey[:31])) {
			t.Errorf("NewLocal with %q gave %v", opts.BaseURL, err)
		}
	}
}

func signing(t *testing.T, base string, key []byte) *Local {
	t.Helper()
	store, err := NewLocal(t.TempDir(), LocalOptions{BaseURL: base, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return store
}
