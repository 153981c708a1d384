package rest

import (
	"context"
	"net/http"
	"strconv"

	"blindseq/api-gw/internal/httpserver"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// streamBlueprints serves the stream in grpc-gateway's form, a line {"result": …} for each item, flushed. It calls
// the server directly: grpc-gateway streams only over a gRPC connection, which would encode every blueprint twice.
func streamBlueprints(server gatewayv1.GatewayServiceServer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := httpserver.UntilStop(r.Context())
		defer cancel()
		var req gatewayv1.StreamBlueprintsRequest
		if from := r.URL.Query().Get("from"); from != "" {
			number, err := strconv.ParseUint(from, 10, 64)
			if err != nil {
				writeError(w, err) // checked before: cannot be
				return
			}
			req.From = number
		}
		lines := &lines{ctx: ctx, w: w, flush: http.NewResponseController(w).Flush}
		if err := server.StreamBlueprints(&req, lines); err != nil {
			lines.end(err)
		}
	})
}

// lines is a server stream whose messages become lines of JSON.
type lines struct {
	grpc.ServerStream // nothing of it is used but what is overridden here
	ctx               context.Context
	w                 http.ResponseWriter
	flush             func() error
	begun             bool
}

func (l *lines) Context() context.Context { return l.ctx }

// Send writes a message and flushes it.
func (l *lines) Send(m *gatewayv1.StreamBlueprintsResponse) error {
	body, err := marshal.Marshal(m)
	if err != nil {
		return err
	}
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/x-ndjson")
	}
	return l.line("result", body)
}

func (l *lines) line(name string, body []byte) error {
	text := append([]byte(`{"`+name+`":`), body...)
	if _, err := l.w.Write(append(text, '}', '\n')); err != nil {
		return err
	}
	return l.flush()
}

// end says why the stream ended: by the HTTP status when nothing was sent yet, else by a last line.
func (l *lines) end(err error) {
	if !l.begun {
		writeError(l.w, err)
		return
	}
	if body, encodeErr := marshal.Marshal(status.Convert(err).Proto()); encodeErr == nil {
		_ = l.line("error", body) // the client may be what has gone
	}
}
