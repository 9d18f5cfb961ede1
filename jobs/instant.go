package jobs

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// instant is a time in a TIMESTAMP column: UTC, with exactly three digits of milliseconds, so that
// SQLite's texts sort as the times do. The zero time is NULL.
type instant time.Time

const instantLayout = "2006-01-02 15:04:05.000"

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	if time.Time(i).IsZero() {
		return nil, nil
	}
	return time.Time(i).UTC().Format(instantLayout), nil
}

// Scan implements sql.Scanner. Both drivers read a TIMESTAMP column as a time; what SQLite computes of one is a text.
func (i *instant) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*i = instant{}
	case time.Time:
		*i = instant(v.UTC())
	case string:
		at, err := time.Parse(instantLayout, v)
		if err != nil {
			return errors.New("a text that is no time")
		}
		*i = instant(at)
	default:
		return fmt.Errorf("a %T where a time should be", value)
	}
	return nil
}
