package devstack

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// debianPackage is a package of Debian that brings a program of its own name.
type debianPackage struct {
	name string
	// title is the program's name in prose.
	title string
	// path is where the package puts the program, which may be on root's PATH only.
	path string
}

var debianPackages = []debianPackage{
	{name: "pgbouncer", title: "PgBouncer", path: "/usr/sbin/pgbouncer"},
	{name: "chromium", title: "Chromium", path: "/usr/bin/chromium"},
	{name: "fonts-noto-core", title: "Noto", path: "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf"},
	{name: "jq", title: "jq", path: "/usr/bin/jq"},
	{name: "curl", title: "curl", path: "/usr/bin/curl"},
	{name: "python3", title: "Python", path: "/usr/bin/python3"},
}

// aptGet is the command for Debian.
func (p debianPackage) aptGet() string { return "apt-get install " + p.name }

// provide returns the program on PATH or where Debian puts it. Where there is none, Debian's package is installed, if that
// is for us to do.
func (p debianPackage) provide(ctx context.Context, log io.Writer) (string, error) {
	if path := p.find(); path != "" {
		return path, nil
	}
	apt, err := exec.LookPath("apt-get")
	if err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%s is not installed: there is no %s on PATH and none at %s; install it (Debian: %s)", p.title, p.name, p.path, p.aptGet())
	}
	cache, err := cacheRoot()
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.aptGet(), err)
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", p.aptGet(), err)
	}
	unlock, err := lock(ctx, filepath.Join(cache, ".apt-get"))
	if err != nil {
		return "", fmt.Errorf("wait for another process that installs %s: %w", p.name, err)
	}
	defer unlock()
	if path := p.find(); path != "" {
		return path, nil
	}
	fmt.Fprintf(log, "%s: it is not there yet; this takes a minute, once\n", p.aptGet())
	if err := p.install(ctx, apt); err != nil {
		return "", err
	}
	if path := p.find(); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("%s has installed no %s", p.aptGet(), p.path)
}

// install asks for the lists of packages where it has to: a fresh image has none.
func (p debianPackage) install(ctx context.Context, apt string) error {
	script := `install() { "$0" install -y --no-install-recommends "$1"; }; install "$1" || { "$0" update && install "$1"; }`
	cmd := exec.CommandContext(ctx, "sh", "-c", script, apt, p.name)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.aptGet(), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// find is "" where there is none.
func (p debianPackage) find() string {
	if path, err := exec.LookPath(p.name); err == nil {
		return path
	}
	if exists(p.path) {
		return p.path
	}
	return ""
}
