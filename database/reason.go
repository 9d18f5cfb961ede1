package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"

	"github.com/lib/pq"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// The clauses of Reason.
const (
	noAnswer          = "no answer"
	noAnswerInTime    = "no answer in time"
	signInRefused     = "sign-in refused"
	permissionRefused = "permission refused"
	tooMany           = "too many connections"
	isLocked          = "it is locked"
	isReadOnly        = "it is read-only"
	startsOrStops     = "it is starting up or shutting down"
	isMissing         = "a table or column is missing"
	noSpaceLeft       = "no space left"
	hasNoTLS          = "it has no TLS"
	itFailed          = "it failed"
)

// Reason says in a short clause, which can be shown to anybody, why a database did not do what was asked: "no answer in
// time", "permission refused". It goes by codes alone, and so names no host, user, database, table, column or value. It is
// "" where err is nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	if failure, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return reasonOfSQLState(failure.SQLState())
	}
	if failure, ok := errors.AsType[*sqlite.Error](err); ok {
		return reasonOfSQLite(failure)
	}
	return reasonOfConnection(err)
}

// NeedsMigration reports whether an error says that a table or column is missing.
func NeedsMigration(err error) bool { return Reason(err) == isMissing }

// sqlStatePattern is what a SQLSTATE looks like. What sits between us and PostgreSQL could send anything in its place.
var sqlStatePattern = regexp.MustCompile(`^[0-9A-Z]{5}$`)

// reasonOfSQLState goes by PostgreSQL's codes (its documentation, appendix A). PgBouncer sends 08P01 for what has no other.
func reasonOfSQLState(code string) string {
	switch code {
	case "57014", "25P03", "25P04": // a statement or transaction that took, or was idle, for too long
		return noAnswerInTime
	case "42501":
		return permissionRefused
	case "53300":
		return tooMany
	case "55P03":
		return isLocked
	case "25006":
		return isReadOnly
	case "57P01", "57P02", "57P03":
		return startsOrStops
	case "42P01", "42703", "3F000":
		return isMissing
	case "53100":
		return noSpaceLeft
	}
	switch {
	case !sqlStatePattern.MatchString(code):
		return itFailed
	case strings.HasPrefix(code, "08"):
		return noAnswer
	case strings.HasPrefix(code, "28"):
		return signInRefused
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", itFailed, code)
}

// missingInSQLite is how SQLite, which has no code for it, says that a table or column is missing.
var missingInSQLite = regexp.MustCompile(`^SQL logic error: (no such (table|column): |table .* has no column named )`)

func reasonOfSQLite(failure *sqlite.Error) string {
	switch failure.Code() & 0xff { // the code without what it says more exactly
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED:
		return isLocked
	case sqlitelib.SQLITE_READONLY:
		return isReadOnly
	case sqlitelib.SQLITE_FULL:
		return noSpaceLeft
	case sqlitelib.SQLITE_PERM, sqlitelib.SQLITE_AUTH:
		return permissionRefused
	case sqlitelib.SQLITE_ERROR:
		if missingInSQLite.MatchString(failure.Error()) {
			return isMissing
		}
	}
	return itFailed
}

// reasonOfConnection is of what no database said, but the way to it.
func reasonOfConnection(err error) string {
	for _, late := range []error{context.DeadlineExceeded, os.ErrDeadlineExceeded} {
		if errors.Is(err, late) {
			return noAnswerInTime
		}
	}
	if errors.Is(err, pq.ErrSSLNotSupported) {
		return hasNoTLS
	}
	if _, unknownHost := errors.AsType[*net.DNSError](err); unknownHost {
		return noAnswer
	}
	// A net.Error would not do: those of files are some, too.
	if failure, ok := errors.AsType[*net.OpError](err); ok {
		if failure.Timeout() {
			return noAnswerInTime
		}
		return noAnswer
	}
	for _, gone := range []error{
		io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, sql.ErrConnDone, net.ErrClosed,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
	} {
		if errors.Is(err, gone) {
			return noAnswer
		}
	}
	return itFailed
}
