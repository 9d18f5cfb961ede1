package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lib/pq"
)

// A statement on PostgreSQL ends after statementLimit. The bound is ours, not the server's: PgBouncer refuses the start-up
// parameter statement_timeout, and what SET sets would be in somebody else's connection by the next transaction. When the
// time is over the driver asks the server, on another connection, to cancel the statement. Where no answer comes even so,
// because the server is frozen or the statement still waits for one of PgBouncer's connections, which hears of no
// cancellation, we hang up after cancelTime more. The same holds where the caller's own time is over before.

// Variables for tests. cancelTime is how long an answer may take to a statement that is to be cancelled.
var (
	statementLimit = 60 * time.Second
	cancelTime     = 10 * time.Second
)

// errPrepare is the driver's answer to Prepare.
var errPrepare = errors.New("statements are not prepared: behind PgBouncer in transaction mode the next transaction has another connection, which does not know them")

// connector is lib/pq's, of connections that are bounded.
type connector struct {
	*pq.Connector
	sslMode pq.SSLMode
	// limit is 0 where the URL has a statement_timeout: then the server bounds.
	limit time.Duration
}

func newConnector(config pq.Config) (driver.Connector, error) {
	c, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, err
	}
	bounded := connector{Connector: c, sslMode: config.SSLMode}
	if _, isSet := config.Runtime["statement_timeout"]; !isSet && !strings.Contains(config.Options, "statement_timeout") {
		bounded.limit = statementLimit
	}
	c.Dialer(dialer{&net.Dialer{}, bounded.limit})
	return bounded, nil
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	var s *socket
	conn, err := c.Connector.Connect(context.WithValue(ctx, socketKey{}, &s))
	if err != nil {
		return nil, withTLSAdvice(err, c.sslMode)
	}
	return boundConn{conn.(driverConn), s, c.limit}, nil
}

// driverConn is what database/sql uses of lib/pq's connection.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// boundConn bounds each statement, in a transaction or not.
type boundConn struct {
	driverConn
	socket *socket
	limit  time.Duration
}

func (c boundConn) Prepare(string) (driver.Stmt, error) { return nil, errPrepare }

// BeginTx bounds the beginning alone: the driver would end the transaction with the context that it is given.
func (c boundConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	b := c.bound(ctx)
	defer b.end()
	tx, err := c.driverConn.BeginTx(ctx, options)
	return tx, b.explain(err)
}

func (c boundConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	b := c.bound(ctx)
	defer b.end()
	result, err := c.driverConn.ExecContext(b.ctx, query, args)
	return result, b.explain(err)
}

func (c boundConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	b := c.bound(ctx)
	rows, err := c.driverConn.QueryContext(b.ctx, query, args)
	if err != nil {
		defer b.end()
		return nil, b.explain(err)
	}
	return boundRows{rows.(driverRows), b}, nil
}

// bound begins the time of a statement.
func (c boundConn) bound(ctx context.Context) *bound {
	b := &bound{caller: ctx, limit: c.limit}
	cancel := func() {}
	if b.ctx = ctx; c.limit > 0 {
		b.ctx, cancel = context.WithTimeout(ctx, c.limit)
	}
	hold := c.socket.hangUpAfter(b.ctx)
	b.end = func() {
		hold()
		cancel()
	}
	return b
}

// bound is the time of one statement. Whoever began it calls end.
type bound struct {
	caller, ctx context.Context
	end         context.CancelFunc
	limit       time.Duration
}

// explain replaces what the driver says of a statement whose time is over by just that, with the SQLSTATE of one that the
// server cancels. No more rows (io.EOF) is no error.
func (b *bound) explain(err error) error {
	if err == nil || err == io.EOF || b.ctx.Err() == nil || b.caller.Err() != nil {
		return err
	}
	const queryCanceled = "57014"
	return &cleanedError{fmt.Sprintf("the statement took longer than %s and was given up", b.limit), queryCanceled}
}

// driverRows is what we use of lib/pq's rows.
type driverRows interface {
	driver.Rows
	driver.RowsNextResultSet
}

// boundRows reads the rows of a statement within its time.
type boundRows struct {
	driverRows
	*bound
}

func (r boundRows) Next(row []driver.Value) error { return r.explain(r.driverRows.Next(row)) }

func (r boundRows) Close() error {
	defer r.end() // the driver would cancel what it reads to the end
	return r.driverRows.Close()
}

// dialer makes lib/pq's connections to the server.
type dialer struct {
	*net.Dialer
	limit time.Duration
}

// socketKey is of the place in a context where the dialer leaves the socket of a connection.
type socketKey struct{}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	return (&net.Dialer{Timeout: timeout}).Dial(network, address)
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: conn}
	if d.limit > 0 {
		s.wait = d.limit + cancelTime
	}
	if at, ok := ctx.Value(socketKey{}).(**socket); ok {
		*at = s
	}
	return s, nil
}

// socket waits no longer for an answer than a statement and its cancellation may take.
type socket struct {
	net.Conn
	// wait bounds what no context does, such as the end of a transaction; 0 where the server bounds.
	wait time.Duration

	mu sync.Mutex
	// isSignedIn is set when the driver lifts the deadline that it signs in by.
	isSignedIn bool
	// hangUpAt is when the connection ends, whatever it waits for; zero where nothing is to be given up.
	hangUpAt time.Time
}

// hangUpAfter ends the connection cancelTime after the context has ended, unless it is held before: the driver has asked the
// server to cancel, and is told of no answer otherwise.
func (s *socket) hangUpAfter(ctx context.Context) (hold func()) {
	isOver := false
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !isOver {
			s.hangUpAt = time.Now().Add(cancelTime)
			_ = s.Conn.SetDeadline(s.hangUpAt) // a connection that refuses it is closed
		}
	})
	return func() {
		stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		isOver = true
		if !s.hangUpAt.IsZero() {
			s.hangUpAt = time.Time{}
			_ = s.Conn.SetDeadline(time.Time{})
		}
	}
}

func (s *socket) SetDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isSignedIn = t.IsZero()
	return s.Conn.SetDeadline(t)
}

func (s *socket) Read(p []byte) (int, error) {
	if err := s.limitRead(); err != nil {
		return 0, err
	}
	return s.Conn.Read(p)
}

func (s *socket) limitRead() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isSignedIn || s.wait == 0 || !s.hangUpAt.IsZero() {
		return nil
	}
	return s.SetReadDeadline(time.Now().Add(s.wait))
}
