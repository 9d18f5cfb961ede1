package database

import (
	"testing"
	"time"
)

// LimitStatements bounds the statements of databases that the test opens, and what may pass between two statements of a
// transaction, by limit, and an answer to a cancellation by the other.
func LimitStatements(t *testing.T, limit, toCancel time.Duration) {
	formerLimit, formerCancel := statementLimit, cancelTime
	statementLimit, cancelTime = limit, toCancel
	t.Cleanup(func() { statementLimit, cancelTime = formerLimit, formerCancel })
}

// SSLMode is how a database is connected to, or why it is not.
func SSLMode(databaseURL string) (string, error) {
	config, err := postgresConfig(databaseURL)
	if err != nil {
		return "", err
	}
	withDefaults(&config)
	return string(config.SSLMode), nil
}
