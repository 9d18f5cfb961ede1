package registry

import (
	"context"
	"database/sql"
	"fmt"
)

// Write runs statements in one transaction. It is for filling a database with sample data: the
// service itself only reads UCI's tables.
func (db *DB) Write(ctx context.Context, statements func(exec func(ctx context.Context, query string, args ...any) error) error) error {
	tx, err := db.sqlx.BeginTxx(ctx, &sql.TxOptions{})
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", clean(ctx, err))
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	err = statements(func(ctx context.Context, query string, args ...any) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return clean(ctx, err)
	})
	if err != nil {
		return err
	}
	return clean(ctx, tx.Commit())
}
