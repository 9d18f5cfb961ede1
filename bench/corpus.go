package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"data-exhaust/bench/stack"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/sample"
)

// corpus is telemetry and its registry, as `starter gen` makes them, in the user's cache folder.
type corpus struct {
	name string
	set  *sample.Set
	// conversation is the one that is asked for.
	conversation exhaust.Conversation
	dir          home
	size
}

// size is what complete.json says of a corpus. The file is the last that is written.
type size struct {
	Objects int `json:"objects"`
	// Stored are the objects' bytes, Raw those that they hold unpacked.
	Stored int64 `json:"stored"`
	Raw    int64 `json:"raw"`
}

// mixes are the corpora: about 960 MB of 28 objects each, the first with 9,936 events of the conversation, the second with
// 36,000, the third with 427,000.
var mixes = []struct {
	mix    sample.Mix
	events int
	// conversation is the number of the one that is asked for.
	conversation int
}{
	{sample.Mixed, 137_000, 1},
	{sample.Chatbot, 109_000, 1},
	{sample.Hot, 122_000, 0},
}

const completeFile = "complete.json"

// openCorpora makes the corpora that are not there yet. Each has scale times as many days.
func openCorpora(ctx context.Context, scale int) (corpora []*corpus, err error) {
	for _, m := range mixes {
		c := &corpus{name: string(m.mix), set: sample.New(sample.Options{
			Mix: m.mix, Days: 7 * scale, EventsPerDay: m.events, ObjectsPerDay: 4, Devices: 2000, Conversations: 20, Seed: 5, Until: "2026-11-20",
		})}
		c.conversation = c.set.Conversations()[m.conversation]
		if err := c.open(ctx); err != nil {
			return nil, fmt.Errorf("corpus %s: %w", c.name, err)
		}
		corpora = append(corpora, c)
	}
	return corpora, nil
}

func (c *corpus) open(ctx context.Context) error {
	root, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	begin, err := c.beginning()
	if err != nil {
		return err
	}
	c.dir = home(filepath.Join(root, "data-exhaust", "bench", fmt.Sprintf("%s-%d-days-%s", c.name, c.set.Options.Days, begin)))
	complete, err := os.ReadFile(c.dir.file(completeFile))
	if errors.Is(err, os.ErrNotExist) {
		return c.make(ctx)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(complete, &c.size)
}

// beginning tells the samples of two releases of internal/sample apart, by the first bytes of the first object.
func (c *corpus) beginning() (string, error) {
	hash := sha256.New()
	enough := errors.New("enough")
	err := c.set.WriteDay(c.set.Until, 0, writerFunc(func(p []byte) (int, error) {
		hash.Write(p)
		return 0, enough
	}))
	if !errors.Is(err, enough) {
		return "", fmt.Errorf("the sample's first object: %w", err)
	}
	return hex.EncodeToString(hash.Sum(nil)[:4]), nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// make has `starter gen` make the corpus in a folder of its own, which gets the corpus's name when it is whole.
func (c *corpus) make(ctx context.Context) error {
	stack.Progress("making the %d days of corpus %s, once", c.set.Options.Days, c.name)
	if err := os.MkdirAll(filepath.Dir(string(c.dir)), 0o755); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(string(c.dir)), ".unfinished-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(unfinished)
	o := c.set.Options
	gen := exec.CommandContext(ctx, "go", "run", "data-exhaust/starter", "gen", "--mix", string(o.Mix), "--days", strconv.Itoa(o.Days),
		"--events", strconv.Itoa(o.EventsPerDay), "--objects", strconv.Itoa(o.ObjectsPerDay), "--devices", strconv.Itoa(o.Devices),
		"--conversations", strconv.Itoa(o.Conversations), "--seed", strconv.FormatUint(o.Seed, 10), "--until", string(o.Until))
	gen.Env = append(plainEnvironment(), "EXHAUST_DATA_DIR="+unfinished)
	if output, err := gen.CombinedOutput(); err != nil {
		return fmt.Errorf("starter gen: %w\n%s", err, output)
	}
	finished := *c
	finished.dir = home(unfinished)
	if err := finished.writeDevices(ctx); err != nil {
		return err
	}
	if err := finished.count(); err != nil {
		return err
	}
	c.size = finished.size
	complete, err := json.Marshal(c.size)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(unfinished, completeFile), complete, 0o644); err != nil {
		return err
	}
	return os.Rename(unfinished, string(c.dir))
}

// plainEnvironment has none of this project's settings.
func plainEnvironment() (env []string) {
	for _, setting := range os.Environ() {
		if name, _, _ := strings.Cut(setting, "="); !strings.HasPrefix(name, "EXHAUST_") && !strings.HasPrefix(name, "UCI_") &&
			!strings.HasPrefix(name, "FUSIONAUTH_") && !strings.HasPrefix(name, "TEMPORAL_") && !strings.HasPrefix(name, "AZURE_") {
			env = append(env, setting)
		}
	}
	return env
}

// count reads how large objects are unpacked from their last four bytes: each is one gzip member.
func (c *corpus) count() error {
	paths, err := c.objects()
	if err != nil {
		return err
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		c.Objects++
		c.Stored += int64(len(content))
		c.Raw += int64(binary.LittleEndian.Uint32(content[len(content)-4:]))
	}
	return nil
}

// writeDevices writes what the peers join with: each device of the registry, and whether it has refused consent.
func (c *corpus) writeDevices(ctx context.Context) error {
	db, err := database.Open(ctx, c.dir.registryURL())
	if err != nil {
		return err
	}
	defer db.Close()
	var users []struct{ ID, Data string }
	if err := db.Select(ctx, &users, "SELECT id, data FROM users ORDER BY id"); err != nil {
		return err
	}
	file, err := os.Create(c.dir.devices())
	if err != nil {
		return err
	}
	w := csv.NewWriter(file)
	for _, u := range users {
		consent, _ := exhaust.ReadConsent([]byte(u.Data))
		_ = w.Write([]string{u.ID, strconv.FormatBool(consent == exhaust.ConsentRefused)}) // Error has it
	}
	w.Flush()
	return errors.Join(w.Error(), file.Close())
}

// home is where a corpus lies.
type home string

func (h home) telemetry() string   { return h.file("telemetry") }
func (h home) registryURL() string { return "sqlite://" + h.file("exhaust.db") }
func (h home) devices() string     { return h.file("devices.csv") }

func (h home) file(name string) string { return filepath.Join(string(h), name) }

// objects are the paths of the telemetry objects.
func (c *corpus) objects() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(c.dir.telemetry(), "*.gz"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no telemetry in %s", c.dir.telemetry())
	}
	return paths, err
}

// days are the first and the last one.
func (c *corpus) days() (first, last exhaust.Day) {
	days := c.set.Days()
	return days[0], days[len(days)-1]
}
