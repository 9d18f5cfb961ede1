// Package console tests the pages of the console in a browser, on a running service.
package console

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/browsertest"
	"data-exhaust/internal/e2etest"
)

func TestMain(m *testing.M) { os.Exit(e2etest.Main(m)) }

// pictures is the folder that pictures of all pages go to: `make screenshots`.
var pictures = flag.String("pictures", "", "the folder for pictures of all pages; none are made without it")

var embedded = e2etest.Shared(func(t testing.TB) *e2etest.Stack { return e2etest.StartEmbedded(t) })

// site is a running service with the sample data of the last 65 days.
type site struct {
	*e2etest.Deployment
	// base is its URL by another name than that of this machine.
	base, channel, conversation string
}

// helpdesk is the name of the first sample conversation.
const helpdesk = "Vaccination Helpdesk (sample)"

var firstConversation = regexp.MustCompile(`(?m)^conversation (\S+) of channel (\S+): ` + regexp.QuoteMeta(helpdesk) + `$`)

// secret is that of the made-up phone numbers.
const secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// startSite starts a service that asks nobody who he is, unless the settings say otherwise.
func startSite(t testing.TB, settings ...string) *site {
	t.Helper()
	// Behind a gateway the service takes any name, and browsers call it by one that is not this machine's.
	d := e2etest.NewDeployment(embedded(t), append([]string{"UCI_ENCRYPTION_SECRET=" + secret, "EXHAUST_AUTH_BEHIND_GATEWAY=true"}, settings...)...)
	// Whatever midnight passes meanwhile in India, yesterday and last month have telemetry.
	today := time.Now().In(e2etest.India).Format(time.DateOnly)
	gen := e2etest.ExecStarter(t, d.Env, "gen", "--mix", "chatbot", "--days", "65", "--events", "200", "--until", today)
	found := firstConversation.FindStringSubmatch(gen.Stdout)
	if gen.Code != 0 || found == nil {
		t.Fatalf("gen: %+v", gen)
	}
	d.StartAPI(t)
	d.StartWorker(t)
	return &site{Deployment: d, base: browsertest.At(d.URL), channel: found[2], conversation: found[1]}
}

// shared is the service that most tests look at. They make exhausts of their own, under tags of their own.
var shared = e2etest.Shared(func(t testing.TB) *site { return startSite(&lasting{TB: t}) })

// lasting is a test that starts what later ones use, too: what it would clean up when it ends is cleaned up after the last of them,
// when a test can say nothing any more.
type lasting struct {
	testing.TB
	isOver bool
	fault  error
}

func (l *lasting) Cleanup(stop func()) {
	e2etest.StopAtEnd(func() error {
		l.isOver = true
		stop()
		return l.fault
	})
}

func (l *lasting) Errorf(format string, args ...any) {
	if !l.isOver {
		l.TB.Helper()
		l.TB.Errorf(format, args...)
		return
	}
	l.fault = errors.Join(l.fault, fmt.Errorf(format, args...))
}

func (l *lasting) Error(args ...any) { l.TB.Helper(); l.Errorf("%s", fmt.Sprint(args...)) }

func (l *lasting) Logf(format string, args ...any) {
	if !l.isOver {
		l.TB.Helper()
		l.TB.Logf(format, args...)
		return
	}
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// at is the URL of a page.
func (s *site) at(path string) string { return s.base + "/console" + path }

// checkLooks checks a page on a phone, light, and on a desk, dark: what is wrong with a width or a scheme is so in either. Where
// pictures are wanted it checks and keeps all four. The page is left as a desk has it.
func checkLooks(t *testing.T, page *browsertest.Page, name string) {
	t.Helper()
	defer page.SetLook(browsertest.Desk)
	for _, look := range []struct {
		name string
		browsertest.Look
		isOfPictures bool
	}{
		{name: "phone", Look: browsertest.Phone},
		{"phone, dark", browsertest.Look{Width: browsertest.Phone.Width, Height: browsertest.Phone.Height, IsDark: true}, true},
		{name: "desk, dark", Look: browsertest.Look{Width: browsertest.Desk.Width, Height: browsertest.Desk.Height, IsDark: true}},
		{"desk", browsertest.Desk, true},
	} {
		if look.isOfPictures && *pictures == "" {
			continue
		}
		page.SetLook(look.Look)
		page.CheckAccessibility(name + ", " + look.name)
		if *pictures != "" {
			page.WritePicture(*pictures, strings.ReplaceAll(cmp.Or(name, "page")+" "+look.name, ",", ""))
		}
	}
}
