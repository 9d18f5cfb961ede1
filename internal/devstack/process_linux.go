package devstack

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the kernel signal the child when we die.
func dieWithUs(cmd *exec.Cmd, signal syscall.Signal) { cmd.SysProcAttr.Pdeathsig = signal }

// setUser gives the child to another user, who may still enter the folders that we may: those of a
// test, or below root's home, are closed to others. It may from its first instruction on, not yet
// when its working directory is set.
func setUser(cmd *exec.Cmd, user *syscall.Credential) {
	if user == nil {
		return
	}
	const dacOverride = 1 // CAP_DAC_OVERRIDE
	cmd.SysProcAttr.Credential = user
	cmd.SysProcAttr.AmbientCaps = []uintptr{dacOverride}
}

// watch has nothing to add where the kernel watches.
func watch(*exec.Cmd, syscall.Signal) (stop func()) { return func() {} }
