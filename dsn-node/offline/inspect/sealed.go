package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"blindseq/seal"
)

// sealedObject is a sealed transaction. It is shown as JSON, for programs to read.
type sealedObject struct{ raw []byte }

// header is what is shown. Numbers are text: they have 64 bits.
type header struct {
	ID           seal.ID    `json:"id"`
	ChainID      string     `json:"chain_id"`
	KeyID        seal.KeyID `json:"key_id"`
	Submitter    string     `json:"submitter"`
	Seq          string     `json:"seq"`
	Gas          string     `json:"gas"`
	Fee          string     `json:"fee"`
	Expiry       string     `json:"expiry"`
	PayloadBytes int        `json:"payload_bytes"`
}

type refused struct {
	Refused string `json:"refused"`
}

func headerOf(s *seal.Sealed) header {
	text := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return header{
		ID: s.ID(), ChainID: text(s.ChainID), KeyID: s.Key, Submitter: s.Submitter.Hex(),
		Seq: text(s.Seq), Gas: text(s.Gas), Fee: text(s.Fee), Expiry: text(s.Expiry), PayloadBytes: s.PayloadBytes(),
	}
}

// report shows the header of a transaction that passes the check, and otherwise the reason why it does not.
func (o *sealedObject) report(p *page, a against) error {
	sealed, err := seal.Parse(o.raw)
	if err == nil && a.ring == nil {
		p.json(headerOf(sealed))
		return fmt.Errorf("%w: not checked: --committee-file is needed, or --chain-id and --key", ErrDoesNotVerify)
	}
	if err == nil {
		_, err = a.ring.Check(sealed)
	}
	if err != nil {
		p.json(refused{reason(err)})
		return fmt.Errorf("%w: refused: %w", ErrDoesNotVerify, err)
	}
	p.json(headerOf(sealed))
	return nil
}

// reason is the word that APIs show.
func reason(err error) string {
	for _, r := range []error{seal.ErrType, seal.ErrEncoding, seal.ErrSize, seal.ErrChain, seal.ErrKey, seal.ErrPoint, seal.ErrProof, seal.ErrSignature} {
		if errors.Is(err, r) {
			return r.Error()
		}
	}
	return err.Error()
}

func (p *page) json(value any) {
	b, err := json.Marshal(value)
	if err != nil {
		p.err = errors.Join(p.err, err)
		return
	}
	p.write(string(b) + "\n")
}
