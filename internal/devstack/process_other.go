//go:build unix && !linux

package devstack

import (
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithUs has nothing to ask of a kernel that cannot watch parents; watch does it.
func dieWithUs(*exec.Cmd, syscall.Signal) {}

// setUser gives the child to another user.
func setUser(cmd *exec.Cmd, user *syscall.Credential) { cmd.SysProcAttr.Credential = user }

// watch starts a shell that reads a pipe of which only we hold the other end. The read returns when
// we are dead, and then the shell signals the child.
func watch(child *exec.Cmd, signal syscall.Signal) (stop func()) {
	pid, number := strconv.Itoa(child.Process.Pid), strconv.Itoa(int(signal))
	watcher := exec.Command("/bin/sh", "-c", `read -r _; kill -"$2" "$1"`, "watch", pid, number)
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ours, err := watcher.StdinPipe()
	if err == nil {
		err = watcher.Start()
	}
	if err != nil {
		_ = child.Process.Kill() // a child that nothing watches could outlive us
		return func() {}
	}
	return func() {
		_ = watcher.Process.Kill()
		_ = watcher.Wait()
		_ = ours.Close()
	}
}
