package database

import (
	"context"
	"errors"
	"slices"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// IsUnavailable reports whether a database did not do what was asked because of how it stands (away, full, locked, without the
// tables or the permission), which is not the fault of what was asked: the same may succeed later.
func IsUnavailable(err error) bool {
	if failure, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return isStanding(failure.SQLState())
	}
	if failure, ok := errors.AsType[*sqlite.Error](err); ok {
		code := failure.Code() & 0xff
		return reasonOfSQLite(failure) != itFailed || code == sqlitelib.SQLITE_IOERR || code == sqlitelib.SQLITE_CANTOPEN
	}
	return errors.Is(err, context.Canceled) || reasonOfConnection(err) != itFailed
}

// isStanding goes by the classes of PostgreSQL's codes (its documentation, appendix A): those of the statement and its values
// are cardinality, data, integrity, syntax and access, limits of programs, and features that are not there.
func isStanding(code string) bool {
	ofStatement := []string{"0A", "21", "22", "23", "42", "54"}
	if len(code) < 2 || !slices.Contains(ofStatement, code[:2]) {
		return true
	}
	reason := reasonOfSQLState(code)
	return reason == permissionRefused || reason == isMissing
}
