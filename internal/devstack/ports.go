package devstack

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
)

const localhost = "127.0.0.1"

// takePort finds the port of 127.0.0.1 for a server: the one that is wanted if nothing listens there,
// or a free one for 0.
func takePort(server string, want int) (port int, err error) {
	if port = want; port != 0 {
		err = checkPort(port)
	} else {
		port, err = FreePort()
	}
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", server, err)
	}
	return port, nil
}

func checkPort(port int) error {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return fmt.Errorf("port %d cannot be used (%w): stop what listens there, or choose another port", port, err)
	}
	return l.Close()
}

// FreePort asks the kernel for a port of 127.0.0.1 and reserves it: a connection that the listening side closes
// first leaves the port waiting (TIME_WAIT, a minute), and for so long the kernel gives the port to
// nobody who asks for any, while a server may still listen on it by number.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", address(0))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, conn.Close()
}

// freeLowPort finds a port that fits a signed 16-bit number. The kernel gives such ports to nobody who
// asks for any, so two processes find the same one only by bad luck.
func freeLowPort() (port int, err error) {
	const lowest, tries = 10000, 100
	for range tries {
		port = lowest + rand.IntN(math.MaxInt16-lowest)
		if err = checkPort(port); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port below %d: %w", math.MaxInt16, err)
}

func address(port int) string { return fmt.Sprintf("%s:%d", localhost, port) }
