package httpserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"blindseq/kit/budget"
)

// BodyTimeout bounds how long a client may take to send its request's body.
const BodyTimeout = 20 * time.Second

// Why a body could not be read.
var (
	ErrBodyTooLarge = errors.New("request body is too large")
	ErrBodySlow     = errors.New("request body did not arrive in time")
)

// Body reads the whole body of a request, at most limit bytes of it, into buf. The bytes count as the client's until the request ends.
func Body(w http.ResponseWriter, r *http.Request, limit int64, buf *bytes.Buffer) error {
	if r.ContentLength > limit {
		return fmt.Errorf("%w: at most %d bytes are allowed", ErrBodyTooLarge, limit)
	}
	if r.ContentLength == 0 {
		return nil
	}
	if err := budget.Announced(r.Context(), r.ContentLength); err != nil {
		return refused(w, err)
	}
	if r.ContentLength > 0 { // memory is taken for what arrives, not for what is announced
		buf.Grow(int(min(r.ContentLength, 128<<10)) + bytes.MinRead)
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(BodyTimeout)) // not supported by a test's recorder
	_, err := buf.ReadFrom(budget.Reader(r.Context(), io.LimitReader(r.Body, limit+1)))
	switch {
	case errors.Is(err, budget.ErrExceeded):
		return refused(w, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %s", ErrBodySlow, BodyTimeout)
	case err != nil:
		return fmt.Errorf("read request body: %w", err)
	case int64(buf.Len()) > limit:
		w.Header().Set("Connection", "close") // the rest is not read
		return fmt.Errorf("%w: at most %d bytes are allowed", ErrBodyTooLarge, limit)
	}
	// Only now: after an error the server reads on for a while, which must stay bounded.
	_ = control.SetReadDeadline(time.Time{})
	return nil
}

// refused prepares the answer to a body that a budget refuses. The rest of it is not read.
func refused(w http.ResponseWriter, err error) error {
	RetryAfter(w, err)
	w.Header().Set("Connection", "close")
	return err
}

// BodyStatus is the HTTP status of an error of Body.
func BodyStatus(err error) int {
	switch {
	case errors.Is(err, budget.ErrExceeded):
		return http.StatusTooManyRequests
	case errors.Is(err, ErrBodyTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrBodySlow):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}
