package access

import (
	"fmt"

	"data-exhaust/exhaust"
)

// CredentialsError says that a request has no credentials, or none that count. Its text is a sentence for the client, which
// holds nothing of the credentials.
type CredentialsError struct {
	exhaust.Fault
	// IsMissing tells that there were none.
	IsMissing bool
}

// refuse is a *CredentialsError about credentials that do not count.
func refuse(code *exhaust.Code, values ...any) error {
	return &CredentialsError{Fault: exhaust.NewFault(code, values...)}
}

// AwayError says that what credentials are checked with does not answer: the same request may succeed later.
type AwayError struct {
	// What names it for the client: no host, no path.
	What string
	Err  error
}

func (e *AwayError) Error() string { return fmt.Sprintf("%s is not available: %v", e.What, e.Err) }

// Unwrap is why.
func (e *AwayError) Unwrap() error { return e.Err }
