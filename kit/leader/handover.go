package leader

import (
	"errors"
	"net/http"
)

// HandoverPattern is where an operator asks a leader to step aside.
const HandoverPattern = "POST /v1/admin/handover"

// HandoverHandler steps aside for each request: 204 when the lease is given back, 409 when this replica does not lead or no other
// could, 503 when Redis cannot be asked. of is called for each request, because a service serves it before it has an Aside.
func HandoverHandler(of func() *Aside) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := ErrNotLeading
		if a := of(); a != nil {
			err = a.Handover(r.Context())
		}
		switch {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case errors.Is(err, ErrNotLeading), errors.Is(err, ErrNobodyElse):
			http.Error(w, err.Error(), http.StatusConflict)
		default:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}
