package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

func TestATableHasTheWidthOfTheTerminalThatItIsWrittenTo(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	size := struct{ rows, columns, x, y uint16 }{rows: 24, columns: 72}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, terminal.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		t.Fatal(errno)
	}
	if got := widthOf(terminal); got != 72 {
		t.Errorf("a terminal of 72 columns: %d", got)
	}
	if got := widthOf(&strings.Builder{}); got != 100 {
		t.Errorf("no terminal: %d", got)
	}
}
