package blob

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// Reason is why the store did not do what was asked: a clause such as "permission refused (403)" or "no answer", which can
// be shown to anybody, as it names no host, account, container, folder or object. It is "" for no error, and "it failed"
// where there is no more to tell.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	if permanent, ok := errors.AsType[*PermanentError](err); ok {
		return permanent.Reason
	}
	if reasoned, ok := errors.AsType[*reasonedError](err); ok {
		return reasoned.reason
	}
	if answer, ok := errors.AsType[*azureError](err); ok {
		return answer.reason()
	}
	for _, known := range []struct {
		err    error
		reason string
	}{
		{ErrNotFound, ErrNotFound.Error()},
		{ErrChanged, ErrChanged.Error()},
		{context.Canceled, "it was cancelled"},
		{context.DeadlineExceeded, noAnswerInTime},
		{fs.ErrPermission, "permission refused"},
		{syscall.EROFS, "it can only be read"},
		{syscall.ENOSPC, "no space left"},
		{syscall.EDQUOT, "no space left"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	return failed
}

const (
	failed         = "it failed"
	noAnswer       = "no answer"
	noAnswerInTime = "no answer in time"
)

// reasonedError is an error whose Reason is known where it arises. It prints as the error that it is.
type reasonedError struct {
	err    error
	reason string
}

func (e *reasonedError) Error() string { return e.err.Error() }
func (e *reasonedError) Unwrap() error { return e.err }

// azureError is an answer of Azure that refuses a request, and is none of this package's other errors.
type azureError struct {
	status int
	code   bloberror.Code // "" where Azure gave none
}

func (e *azureError) Error() string {
	if e.code == bloberror.ContainerNotFound {
		return "the container does not exist"
	}
	return fmt.Sprintf("Azure answered %s (HTTP %d)", cmp.Or(e.code, "without an error code"), e.status)
}

func (e *azureError) reason() string {
	switch e.code {
	case bloberror.ContainerNotFound:
		return fmt.Sprintf("the container is not there (%d)", e.status)
	case bloberror.LeaseIDMissing:
		return fmt.Sprintf("somebody else has leased it (%d)", e.status)
	case bloberror.BlobImmutableDueToPolicy:
		return fmt.Sprintf("a policy protects it (%d)", e.status)
	}
	switch e.status {
	case http.StatusUnauthorized:
		return fmt.Sprintf("sign-in refused (%d)", e.status)
	case http.StatusForbidden:
		return fmt.Sprintf("permission refused (%d)", e.status)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return fmt.Sprintf("it is too busy (%d)", e.status)
	}
	return fmt.Sprintf("%s (HTTP %d)", failed, e.status)
}

// withoutAnswer is the redacted error of a request that Azure did not answer, or that was never sent.
func withoutAnswer(err error) error {
	redacted := redact(err)
	if reason := requestReason(err); reason != failed && !isContext(redacted) {
		return &reasonedError{err: redacted, reason: reason}
	}
	return redacted
}

func isContext(err error) bool { return err == context.Canceled || err == context.DeadlineExceeded }

func requestReason(err error) string {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted"
	}
	if refused, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && refused.RawResponse != nil {
		return fmt.Sprintf("sign-in refused (%d)", refused.RawResponse.StatusCode)
	}
	if netErr, ok := errors.AsType[net.Error](err); ok { // all errors of an HTTP client are
		if netErr.Timeout() {
			return noAnswerInTime
		}
		return noAnswer
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return noAnswer
	}
	// What the SDK does not repeat, though no answer refused it, is that it has no token to send.
	if _, ok := errors.AsType[interface {
		error
		NonRetriable()
	}](err); ok {
		return "sign-in failed"
	}
	return failed
}
