// Package e2etest is what end-to-end tests stand on (Data Exhaust's programs as processes of their own, the servers that
// they need, the calls of the api), and imports nothing of the project but internal/devstack, so that what the tests
// expect never comes from the code under test.
package e2etest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	// Scratch is the folder of everything that the tests of a package write.
	Scratch string
	stopsMu sync.Mutex
	stops   []func() error
	serials atomic.Int64
)

// Main runs the tests of a package, stops what they shared, and returns the code for os.Exit. TestMain
// calls it.
func Main(m *testing.M) (code int) {
	flag.Parse()
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// Most tests wait for other processes, so more of them run at a time than there are cores.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := flag.Set("test.parallel", "6"); err != nil {
			return fail(err)
		}
	}
	var err error
	if Scratch, err = os.MkdirTemp("", "exhaust-e2e-"); err != nil {
		return fail(err)
	}
	code = m.Run()
	for _, stop := range slices.Backward(stops) {
		err = errors.Join(err, stop())
	}
	if err = errors.Join(err, os.RemoveAll(Scratch)); err != nil {
		return fail(err)
	}
	return code
}

// StopAtEnd has Main call stop after the last test; the latest is called first.
func StopAtEnd(stop func() error) {
	stopsMu.Lock()
	defer stopsMu.Unlock()
	stops = append(stops, stop)
}

// Serial is a name that nothing else in the package's tests has.
func Serial(prefix string) string { return fmt.Sprintf("%s%d", prefix, serials.Add(1)) }

// Shared returns a function that calls start for the first test that asks, and gives its value to all.
// Where start fails the first test, the others fail too.
func Shared[T any](start func(t testing.TB) *T) func(t testing.TB) *T {
	var once sync.Once
	var value *T
	return func(t testing.TB) *T {
		t.Helper()
		once.Do(func() { value = start(t) })
		if value == nil {
			t.Fatal("what this test shares with others did not start: the first of them says why")
		}
		return value
	}
}

// Must fails the test at once where there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until holds returns true, and fails the test where it does not within the time. what
// says in the failure what was waited for.
func Eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
