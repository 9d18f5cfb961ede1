package clients

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"data-exhaust/internal/e2etest"
)

var codeBlock = regexp.MustCompile("(?ms)^## (\\w+)\n.*?^```\\w+\n(.*?)^```$")

// programsOfThePage are the code blocks of docs/clients.md by their headings.
func programsOfThePage(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "clients.md"))
	e2etest.Must(t, err)
	programs := map[string]string{}
	for _, found := range codeBlock.FindAllStringSubmatch(string(page), -1) {
		programs[found[1]] = found[2]
	}
	if len(programs) != 3 || strings.Count(string(page), "```\n") != 3 {
		t.Fatalf("the page has the programs %v, want one under each of curl, Python and Airflow", programs)
	}
	return programs
}

func TestTheProgramsOfThePageHaveTwentyLines(t *testing.T) {
	for name, program := range programsOfThePage(t) {
		lines := slices.DeleteFunc(strings.Split(program, "\n"), func(line string) bool {
			return strings.TrimSpace(line) == "" || strings.HasPrefix(line, "import ") || strings.HasPrefix(line, "from ")
		})
		if len(lines) > 20 {
			t.Errorf("%s has %d lines, imports aside", name, len(lines))
		}
	}
}

// client is a program of the page: how it is started, under which tag it submits, and the file that it leaves.
type client struct {
	command func(t *testing.T, file string) []string
	tag     string
	file    func(j e2etest.Job) string
	// first and last are the days that it asks for.
	first, last func(today time.Time) time.Time
}

func yesterday(today time.Time) time.Time { return today.AddDate(0, 0, -1) }

var clientsOfThePage = map[string]client{
	"curl": {
		command: func(t *testing.T, file string) []string {
			tool(t, "curl")
			tool(t, "jq")
			return []string{"sh", file}
		},
		tag: "daily",
		file: func(e2etest.Job) string {
			return yesterday(time.Now().In(e2etest.India)).Format(time.DateOnly) + ".csv"
		},
		first: yesterday, last: yesterday,
	},
	"Python": {
		command: func(t *testing.T, file string) []string { return []string{tool(t, "python3"), file} },
		tag:     "monthly",
		file: func(e2etest.Job) string {
			today := time.Now().In(e2etest.India)
			return today.AddDate(0, 0, -today.Day()).Format("2006-01") + ".csv"
		},
		first: func(today time.Time) time.Time { return today.AddDate(0, -1, 1-today.Day()) },
		last:  func(today time.Time) time.Time { return today.AddDate(0, 0, -today.Day()) },
	},
	"Airflow": {
		command: func(t *testing.T, file string) []string {
			runner, err := filepath.Abs(filepath.Join("testdata", "airflow", "run.py"))
			e2etest.Must(t, err)
			return []string{tool(t, "python3"), "-B", runner, file, time.Now().UTC().Format("2006-01-02T15:04:05+00:00")}
		},
		tag:   "airflow",
		file:  func(j e2etest.Job) string { return j.RequestID + ".csv" },
		first: yesterday, last: yesterday,
	},
}

// busy stands before a service and answers the first call of each of its paths as one that is busy does.
func busy(t *testing.T, service string) (address string) {
	t.Helper()
	target, err := url.Parse(service)
	e2etest.Must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		isFirst := !seen[r.URL.Path]
		seen[r.URL.Path] = true
		mu.Unlock()
		if !isFirst {
			proxy.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"params":{"status":"failed","errmsg":"temporal is not available: try again later"},"result":{}}`)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTheProgramsOfThePageGetTheFile(t *testing.T) {
	t.Parallel()
	s := startService(t)
	for name, program := range programsOfThePage(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, isKnown := clientsOfThePage[name]
			if !isKnown {
				t.Fatal("the page has a program that no test runs")
			}
			file := filepath.Join(t.TempDir(), "program")
			e2etest.Must(t, os.WriteFile(file, []byte(program), 0o600))
			command := c.command(t, file)
			call := func(token, conversation string) (e2etest.Output, string) {
				folder := t.TempDir()
				return run(t, folder, []string{"API=" + busy(t, s.URL), "EXHAUST_TOKEN=" + token, "CHANNEL=" + s.channel, "CONVERSATION=" + conversation},
					command[0], command[1:]...), folder
			}

			out, folder := call(s.token, s.conversation)
			j, want := s.newest(t, c.tag)
			content, err := os.ReadFile(filepath.Join(folder, c.file(j)))
			if out.Code != 0 || err != nil || string(content) != string(want) {
				t.Errorf("%+v\nleft %v, a file of %d bytes instead of %d", out, err, len(content), len(want))
			}
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
				t.Errorf("it left %v, %v beside the file", entries, err)
			}
			today := time.Now().In(e2etest.India)
			wantConfig := fmt.Sprintf(`{"conversationId":%q,"startDate":%q,"endDate":%q}`, s.conversation,
				c.first(today).Format(time.DateOnly), c.last(today).Format(time.DateOnly))
			if got := strings.ReplaceAll(string(j.DatasetConfig), " ", ""); got != wantConfig {
				t.Errorf("it asked for %s, want %s", got, wantConfig)
			}
			if printed := out.Stdout + out.Stderr; strings.Contains(printed, s.token) || strings.Contains(printed, "/files/reports/") {
				t.Errorf("it printed the token or a signed URL:\n%s", printed)
			}

			for _, refused := range []struct{ token, conversation, want string }{
				{"exhaust_" + strings.Repeat("x", 43), s.conversation, "the token is not known, or was revoked"},
				{s.token, "ffffffff-0000-4000-8000-000000000000", "No data found for conversation in DB"},
				{s.token, ".hidden", `datasetConfig.conversationId ".hidden" is not valid`},
			} {
				out, folder := call(refused.token, refused.conversation)
				if out.Code == 0 || !strings.Contains(out.Stderr, refused.want) {
					t.Errorf("it ended with %+v, want %s", out, refused.want)
				}
				if entries, err := os.ReadDir(folder); err != nil || len(entries) != 0 {
					t.Errorf("it left %v, %v", entries, err)
				}
			}
		})
	}
}
