package feed

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"blindseq/kit/content"
	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// RollupAddress is the rollup the published messages are for.
type RollupAddress [20]byte

// externalMessage and chunkTag frame a signed chunk as a layer-1 message of the origin's format.
const (
	externalMessage = 0x00
	chunkTag        = 0x03
)

// Handler serves the feed in the origin's HTTP format, JSON only:
//
//	GET /evm/blueprint/{number}            one blueprint
//	GET /evm/blueprints?from_level=number  a stream, one JSON object after the other
type Handler struct {
	feed   *Feed
	rollup RollupAddress
	mux    *http.ServeMux
}

// NewHandler returns a handler over f.
func NewHandler(f *Feed, rollup RollupAddress) *Handler {
	h := &Handler{feed: f, rollup: rollup, mux: http.NewServeMux()}
	h.mux.HandleFunc("GET /evm/blueprint/{number}", h.one)
	h.mux.HandleFunc("GET /evm/blueprints", h.stream)
	return h
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) one(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.ParseUint(r.PathValue("number"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Errorf("blueprint number %q is not a decimal number", r.PathValue("number")))
		return
	}
	b, err := h.feed.Get(number)
	if err != nil {
		refuse(w, statusOf(err), err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(h.encode(b)) // a client that went away gets no answer
}

func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.ParseUint(r.URL.Query().Get("from_level"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, errors.New("from_level must be a decimal number"))
		return
	}
	started := false
	start := func() {
		started = true
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a server's limit on reading a request would end the stream
	if from > 0 && from == h.feed.Head()+1 { // nothing to send yet: let the client know that it is subscribed
		start()
		_ = control.Flush()
	}
	err = h.feed.Stream(r.Context(), from, func(b *blueprintv1.Blueprint) error {
		if !started {
			start()
		}
		if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if err := json.NewEncoder(w).Encode(h.encode(b)); err != nil {
			return err
		}
		return control.Flush()
	})
	if !started {
		refuse(w, statusOf(err), err)
	}
}

// writeTimeout bounds how long one blueprint may take to a subscriber.
const writeTimeout = 30 * time.Second

// wireFeed is the JSON of one item of the feed.
type wireFeed struct {
	Delayed   [][3]string   `json:"delayed_transactions"`
	Blueprint wireBlueprint `json:"blueprint"`
}

type wireBlueprint struct {
	Number    string   `json:"number"`
	Timestamp string   `json:"timestamp"`
	Payload   []string `json:"payload"`
}

func (h *Handler) encode(b *blueprintv1.Blueprint) wireFeed {
	out := wireFeed{
		Delayed: [][3]string{},
		Blueprint: wireBlueprint{
			Number:    strconv.FormatUint(b.GetNumber(), 10),
			Timestamp: b.GetTimestamp().AsTime().UTC().Format(time.RFC3339),
		},
	}
	for _, one := range b.GetExecuted() { // those that the payload has by hash
		if one.GetDelayed() {
			hash := content.Keccak(one.GetRaw())
			out.Delayed = append(out.Delayed, [3]string{"transaction", "0x" + hex.EncodeToString(hash[:]), hex.EncodeToString(one.GetRaw())})
		}
	}
	out.Blueprint.Payload = Messages(h.rollup, b)
	return out
}

// Messages are those of layer 1 that carry a blueprint to a rollup, one for each chunk, in hex.
func Messages(rollup RollupAddress, b *blueprintv1.Blueprint) (messages []string) {
	for _, chunk := range b.GetChunks() {
		message := append([]byte{externalMessage}, rollup[:]...)
		message = append(append(message, chunkTag), chunk...)
		messages = append(messages, hex.EncodeToString(message))
	}
	return messages
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, blueprint.ErrNotApplied):
		return http.StatusNotFound
	case errors.Is(err, ErrAhead), errors.Is(err, ErrZero):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // a client that went away gets no answer
}
