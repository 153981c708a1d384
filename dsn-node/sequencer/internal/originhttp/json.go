package originhttp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// item is the one JSON object of the protocol, a proposal and a preblock alike; the order of fields is part of it.
// Nothing may be added: the other side refuses unknown fields.
type item struct {
	Transactions  []string `json:"transactions"`               // hex without 0x
	DelayedHashes []string `json:"delayed_transaction_hashes"` // hex with 0x
	PreviousHash  *string  `json:"previous_block_hash"`        // hex with 0x
	Timestamp     *string  `json:"timestamp"`                  // RFC 3339
	Number        *string  `json:"current_blueprint_number"`   // "0x" hex or decimal
}

// fields are the places the keys of an item are decoded to.
func (i *item) fields() map[string]any {
	return map[string]any{
		"transactions":               &i.Transactions,
		"delayed_transaction_hashes": &i.DelayedHashes,
		"previous_block_hash":        &i.PreviousHash,
		"timestamp":                  &i.Timestamp,
		"current_blueprint_number":   &i.Number,
	}
}

var errShape = errors.New("must be one JSON object with exactly the five fields of a proposal, each once and of its type")

// decode reads a proposal. As the origin does, it wants every field, takes keys as they are written, refuses one that is
// there twice, and passes over unknown ones; encoding/json's own rules for structs do none of these.
func decode(body []byte) (*preblockv1.Content, error) {
	var i item
	if err := decodeObject(body, i.fields()); err != nil {
		return nil, err
	}
	if i.Transactions == nil || i.DelayedHashes == nil || i.PreviousHash == nil || i.Timestamp == nil || i.Number == nil {
		return nil, errShape
	}
	return i.content()
}

func decodeObject(body []byte, fields map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errShape
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %w", errShape, err)
		}
		name, _ := key.(string) // a key always is
		target, known := fields[name]
		switch {
		case !known:
			target = &json.RawMessage{}
		case target == nil:
			return fmt.Errorf("%w: %s is there twice", errShape, name)
		default:
			fields[name] = nil
		}
		if err := d.Decode(target); err != nil {
			return fmt.Errorf("%w: %s: %w", errShape, strconv.Quote(name), err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("%w: %w", errShape, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the object", errShape)
	}
	return nil
}

func (i *item) content() (c *preblockv1.Content, err error) {
	c = &preblockv1.Content{}
	if c.Number, err = parseQuantity(*i.Number); err != nil {
		return nil, fmt.Errorf("current_blueprint_number: %w", err)
	}
	if c.PreviousBlockHash, err = parsePrefixed(*i.PreviousHash); err != nil {
		return nil, fmt.Errorf("previous_block_hash: %w", err)
	}
	timestamp, err := time.Parse(time.RFC3339, *i.Timestamp)
	if err != nil {
		return nil, fmt.Errorf("timestamp: %w", err)
	}
	c.Timestamp = timestamppb.New(timestamp.Truncate(time.Second))
	for n, s := range i.DelayedHashes {
		h, err := parsePrefixed(s)
		if err != nil {
			return nil, fmt.Errorf("delayed_transaction_hashes[%d]: %w", n, err)
		}
		c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, h)
	}
	for n, s := range i.Transactions {
		tx, err := hex.DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("transactions[%d]: %w", n, err)
		}
		c.Transactions = append(c.Transactions, tx)
	}
	return c, nil
}

func parseQuantity(s string) (uint64, error) {
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		return strconv.ParseUint(digits, 16, 64)
	}
	return strconv.ParseUint(s, 10, 64)
}

func parsePrefixed(s string) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return nil, errors.New("hexadecimal must begin with 0x")
	}
	return hex.DecodeString(digits)
}

// encode writes a preblock as one compact JSON object, without a line end.
func encode(c *preblockv1.Content) ([]byte, error) {
	previous := "0x" + hex.EncodeToString(c.GetPreviousBlockHash())
	timestamp := c.GetTimestamp().AsTime().Format(time.RFC3339)
	number := "0x" + strconv.FormatUint(c.GetNumber(), 16)
	i := item{
		Transactions:  make([]string, 0, len(c.GetTransactions())),
		DelayedHashes: make([]string, 0, len(c.GetDelayedTransactionHashes())),
		PreviousHash:  &previous, Timestamp: &timestamp, Number: &number,
	}
	for _, tx := range c.GetTransactions() {
		i.Transactions = append(i.Transactions, hex.EncodeToString(tx))
	}
	for _, h := range c.GetDelayedTransactionHashes() {
		i.DelayedHashes = append(i.DelayedHashes, "0x"+hex.EncodeToString(h))
	}
	return json.Marshal(i)
}
