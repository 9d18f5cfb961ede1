package database_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"data-exhaust/database"
	"data-exhaust/internal/dbtest"
)

func TestTLSIsRequiredUnlessTheServerIsOnThisMachineOrASettingSaysOtherwise(t *testing.T) {
	for _, c := range []struct {
		url  string
		env  []string
		want string
	}{
		{url: "postgres://u@db.example.org/d", want: "require"},
		{url: "postgresql://u@db/d", want: "require"},
		{url: "postgres://u@10.0.0.1/d", want: "require"},
		{url: "postgres://u@0.0.0.0/d", want: "require"},
		{url: "postgres://u@[fe80::1]:5432/d", want: "require"},
		{url: "postgres://u@localhost.example.org/d", want: "require"},
		{url: "postgres://u@notlocalhost/d", want: "require"},
		{url: "postgres://u@128.0.0.1/d", want: "require"},
		{url: "postgres://u@127.0.0.1.example.org/d", want: "require"},
		{url: "postgres://u@127.0.0.1/d", want: "prefer"},
		{url: "postgres://u@127.8.9.10/d", want: "prefer"},
		{url: "postgres://u@[::1]:5432/d", want: "prefer"},
		{url: "postgres://u@[::ffff:127.0.0.1]:5432/d", want: "prefer"},
		{url: "postgres://u@LOCALHOST/d", want: "prefer"},
		{url: "postgres://u@localhost./d", want: "prefer"},
		{url: "postgres://u@db.localhost/d", want: "require"}, // Go's resolver asks DNS for it
		{url: "postgres:///d", want: "prefer"},
		{url: "postgres:///d?host=/run/postgresql", want: "disable"},
		{url: "postgres:///d?host=@abstract", want: "disable"},
		// An address counts in place of the name.
		{url: "postgres://u@db.example.org/d?hostaddr=127.0.0.1", want: "prefer"},
		{url: "postgres://u@localhost/d?hostaddr=10.0.0.1", want: "require"},
		// All of several hosts.
		{url: "postgres://u@localhost,127.0.0.1/d", want: "prefer"},
		{url: "postgres://u@localhost,db.example.org/d", want: "require"},
		{url: "postgres://u@localhost,localhost/d?hostaddr=127.0.0.1,10.0.0.1", want: "require"},
		{url: "postgres:///d?host=/run/postgresql,localhost", want: "disable"},
		// What the URL or libpq's environment says.
		{url: "postgres://u@db.example.org/d?sslmode=disable", want: "disable"},
		{url: "postgres://u@db.example.org/d?sslmode=prefer", want: "prefer"},
		{url: "postgres://u@db.example.org/d?sslmode=verify-full", want: "verify-full"},
		{url: "postgres://u@db.example.org/d?sslrootcert=system", want: "verify-full"},
		{url: "postgres://u@localhost/d?sslmode=require", want: "require"},
		{url: "postgres://u@localhost/d?sslnegotiation=direct", want: "require"},
		{url: "postgres://u@db.example.org/d", env: []string{"PGSSLMODE=disable"}, want: "disable"},
		{url: "postgres://u@db.example.org/d?sslmode=require", env: []string{"PGSSLMODE=disable"}, want: "require"},
		{url: "postgres:///d", env: []string{"PGHOST=db.example.org"}, want: "require"},
		{url: "postgres:///d", env: []string{"PGHOST=localhost"}, want: "prefer"},
		{url: "postgres:///d", env: []string{"PGHOSTADDR=10.0.0.1"}, want: "require"},
		{url: "postgres://u@[::1]/d", want: "prefer"},
		{url: "postgres://u@[2001:db8::1]/d", want: "require"},
		{url: "postgres://u@localhost,127.0.0.1/d?port=5432,5433", want: "prefer"},
	} {
		t.Run(c.url+" "+strings.Join(c.env, " "), func(t *testing.T) {
			for _, variable := range c.env {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			if got, err := database.SSLMode(c.url); err != nil || got != c.want {
				t.Errorf("sslmode is %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestAURLThatCannotMeanWhatItSaysIsRefused(t *testing.T) {
	const service = "a libpq service (PGSERVICE, or service in the URL) would overrule the URL, its sslmode too: put all into the URL and leave the service out"
	const ports = "the ports of several hosts belong into the query, such as postgres://user@one,two/database?port=5432,5433"
	for url, want := range map[string]string{
		"postgres:///d?host=/run/postgresql,db.example.org&sslmode=require": "its first host is a socket, for which there is no TLS, " +
			"and then there is none for the other hosts either: leave out the socket",
		"postgres://u@localhost/d?service=plain": service,
		"postgres://u@one:5432,two:5433/d":       ports,
		"postgres://u@one:5432,two/d":            ports,
		"postgres://u@[::1],[::2]:5432/d":        ports,
	} {
		dbtest.WantError(t, database.CheckPostgresURL(url), want)
		_, err := database.Open(t.Context(), url)
		dbtest.WantError(t, err, "the database URL is not valid: "+want)
	}
	for _, url := range []string{"postgres://u@db.example.org/d?sslmode=on", "postgres://u@db.example.org/d?connect_timeout=5s"} {
		if err := database.CheckPostgresURL(url); err == nil {
			t.Errorf("%s is accepted", url)
		}
	}
	t.Setenv("PGSERVICE", "plain")
	dbtest.WantError(t, database.CheckPostgresURL("postgres://u@db.example.org/d?sslmode=verify-full"), service)
}

// TestDataCrossesTheNetworkEncrypted reaches the server as 0.0.0.0, which is this machine, but no address of loopback.
func TestDataCrossesTheNetworkEncrypted(t *testing.T) {
	local := strings.TrimSuffix(dbtest.Postgres.URL("postgres"), "?sslmode=disable")
	remote := strings.Replace(local, "127.0.0.1", "0.0.0.0", 1)
	if remote == local {
		t.Fatal("the test server is not at 127.0.0.1")
	}
	_, err := database.Open(t.Context(), remote)
	dbtest.WantError(t, err, "PostgreSQL database postgres at "+strings.Replace(at(t), "127.0.0.1", "0.0.0.0", 1)+" does not answer: pq: SSL is not enabled on the server, "+
		"and sslmode is require, the default being require for a host that is not this machine: "+
		"turn TLS on at the server, or set sslmode=disable in the database URL, which sends everything over the network unencrypted")
	if reason := database.Reason(err); reason != "it has no TLS" {
		t.Errorf("the reason is %q", reason)
	}
	for url, want := range map[string]bool{local: false, remote + "?sslmode=disable": false} {
		if got := isEncrypted(t, url); got != want {
			t.Errorf("without TLS at the server: is encrypted %t, want %t", got, want)
		}
	}
	turnTLSOn(t)
	for url, want := range map[string]bool{remote: true, local: true, remote + "?sslmode=disable": false} {
		if got := isEncrypted(t, url); got != want {
			t.Errorf("with TLS at the server: is encrypted %t, want %t", got, want)
		}
	}
}

func isEncrypted(t *testing.T, url string) bool {
	t.Helper()
	var answers []bool
	if err := dbtest.Open(t, url).Select(t.Context(), &answers, `SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	return answers[0]
}

// turnTLSOn gives the shared server a certificate until the test ends.
func turnTLSOn(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Open(t, dbtest.Postgres.URL("postgres"))
	for file, block := range map[string]*pem.Block{
		"server.crt": {Type: "CERTIFICATE", Bytes: certificate},
		"server.key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		// The server itself writes them into its data folder, so that they are its own, as it demands.
		lines := strings.Split(strings.TrimSpace(string(pem.EncodeToMemory(block))), "\n")
		dbtest.Exec(t, db, fmt.Sprintf(`COPY (SELECT unnest(string_to_array(%s, ' ; '))) TO PROGRAM 'umask 077; cat > %s'`,
			pq.QuoteLiteral(strings.Join(lines, " ; ")), file))
	}
	setTLS := func(value string) {
		dbtest.Exec(t, db, `ALTER SYSTEM SET ssl = `+value)
		dbtest.Exec(t, db, `SELECT pg_reload_conf()`)
		eventually(t, "ssl is "+value, func() bool {
			// A connection that is there is told later than a new one. The test's own context is over by the end.
			fresh, err := database.Open(context.Background(), dbtest.Postgres.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			defer fresh.Close()
			var now []string
			if err := fresh.Select(context.Background(), &now, `SHOW ssl`); err != nil {
				t.Fatal(err)
			}
			return now[0] == value
		})
	}
	setTLS("on")
	t.Cleanup(func() { setTLS("off") })
}

// eventually waits until holds returns true, and fails the test where it does not within 10 seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
