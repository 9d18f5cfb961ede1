package dbtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// PoolerURL is the URL of a PostgreSQL database behind a pooler that, as PgBouncer does in transaction mode, gives each
// transaction another of its connections: always the one that has been free for the longest. So what a client leaves behind
// in one is not there in its next transaction, as long as it has two connections.
func PoolerURL(t testing.TB, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pooler{server: u.Host, free: make(chan net.Conn, 1000)}
	t.Cleanup(func() { p.close(listener) })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			p.keep(client)
			go func() { _ = p.serve(client) }() // an error ends the connection, which the client sees
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

type pooler struct {
	server string
	free   chan net.Conn
	mu     sync.Mutex
	conns  []net.Conn
}

func (p *pooler) keep(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conn)
}

func (p *pooler) close(listener net.Listener) {
	_ = listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
}

// The types of the messages of PostgreSQL's protocol that the pooler looks at.
const (
	authentication = 'R'
	readyForQuery  = 'Z'
	query          = 'Q'
	syncMessage    = 'S'
	terminate      = 'X'
)

// serve lets a client sign in at the server, with a connection that is everybody's from then on, and takes it from
// transaction to transaction.
func (p *pooler) serve(client net.Conn) error {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return err
	}
	p.keep(server)
	if err := signIn(client, server); err != nil {
		return err
	}
	p.free <- server
	server = nil
	for {
		message, err := readMessage(client, 1)
		if err != nil {
			return err
		}
		if message[0] == terminate {
			return nil
		}
		if server == nil {
			server = <-p.free
		}
		if _, err := server.Write(message); err != nil {
			return err
		}
		if message[0] != query && message[0] != syncMessage {
			continue
		}
		answer, err := relay(client, server, readyForQuery)
		if err != nil {
			return err
		}
		if isIdle := answer[len(answer)-1] == 'I'; isIdle {
			p.free <- server
			server = nil
		}
	}
}

// signIn passes the start-up and the password's exchange through.
func signIn(client, server net.Conn) error {
	message, err := readMessage(client, 0)
	for err == nil {
		if _, err = server.Write(message); err != nil {
			break
		}
		for {
			if message, err = relay(client, server, authentication, readyForQuery); err != nil || message[0] == readyForQuery {
				return err
			}
			const passwordAccepted, lastOfSCRAM = 0, 12
			if code := binary.BigEndian.Uint32(message[5:]); code != passwordAccepted && code != lastOfSCRAM {
				break
			}
		}
		message, err = readMessage(client, 1)
	}
	return err
}

// relay passes the server's messages on up to one of these types, which it returns.
func relay(client, server net.Conn, until ...byte) ([]byte, error) {
	for {
		message, err := readMessage(server, 1)
		if err != nil {
			return nil, err
		}
		if _, err := client.Write(message); err != nil {
			return nil, err
		}
		if slices.Contains(until, message[0]) {
			return message, nil
		}
	}
}

// readMessage reads a message: its type, which the first of a connection lacks, its length, and what it holds.
func readMessage(from io.Reader, typeLength int) ([]byte, error) {
	head := make([]byte, typeLength+4)
	if _, err := io.ReadFull(from, head); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(head[typeLength:]))
	if length < 4 || length > 1<<30 {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	message := append(head, make([]byte, length-4)...)
	_, err := io.ReadFull(from, message[len(head):])
	return message, err
}
