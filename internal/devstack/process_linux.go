package devstack

import (
	"os/exec"
	"syscall"
)

// dieWithUs has the kernel signal the child when we die.
func dieWithUs(cmd *exec.Cmd, signal syscall.Signal) { cmd.SysProcAttr.Pdeathsig = signal }

// watch has nothing to add where the kernel watches.
func watch(*exec.Cmd, syscall.Signal) (stop func()) { return func() {} }
