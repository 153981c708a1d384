package seqs_test

import (
	"errors"
	"fmt"
	"testing"

	"blindseq/producer-svc/internal/seqs"
	"blindseq/producer-svc/logrecord"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/committee/committeetest"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// records is a blueprint log in memory.
type records []*blueprintv1.LogRecord

func (r records) Last() uint64 { return uint64(len(r)) }

func (r records) Get(number uint64) (*blueprintv1.LogRecord, error) {
	if number == 0 || number > r.Last() {
		return nil, fmt.Errorf("no record %d", number)
	}
	return r[number-1], nil
}

func TestTheWindowFollowsTheLogAndIsTheSameAfterARestart(t *testing.T) {
	c := committeetest.NewWith(t, 4, 3, 3, committee.Limits{Lifetime: 4})
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	submitter := crypto.PubkeyToAddress(key.PublicKey)
	var log records
	w, err := seqs.Of(c.Committee, log)
	if err != nil {
		t.Fatal(err)
	}
	for number := uint64(1); number <= 14; number++ {
		p := &preblockv1.Content{Number: number}
		if number == 4 || number == 6 || number == 13 {
			p.Transactions = [][]byte{c.SealedBy(key, w.Next(submitter, number), []byte("inside"), func(h *seal.Header) { h.Expiry = number + 4 })}
		}
		if err := w.Check(p); err != nil {
			t.Fatal(err)
		}
		made, _ := c.Preblock(p, common.Hash{})
		rec, err := logrecord.Of(made, logrecord.Parent{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, rec)
		if err := w.Add(rec); err != nil {
			t.Fatal(err)
		}
		want := map[uint64]uint64{4: 1, 5: 1, 6: 2, 7: 2, 8: 2, 9: 2, 13: 1, 14: 1}[number] // forgotten after 10
		again, err := seqs.Of(c.Committee, log)
		if err != nil {
			t.Fatal(err)
		}
		for name, one := range map[string]*seqs.Window{"followed": w, "read again": again} {
			if got := one.Next(submitter, number+1); got != want || one.Last() != max(number, 2) {
				t.Errorf("%s: after %d the next seq is %d, want %d; last %d", name, number, got, want, one.Last())
			}
		}
		if err := w.Check(p); err != nil {
			t.Errorf("a repeat of what the log has: %v", err)
		}
	}
	if err := w.Add(log[13]); !errors.Is(err, rules.ErrWindow) {
		t.Errorf("a record twice: %v", err)
	}
}

func TestAContentThatBreaksARuleIsRefused(t *testing.T) {
	c := committeetest.NewWith(t, 4, 3, 1, committee.Limits{Lifetime: 4, SealedGas: 150_000})
	w, err := seqs.Of(c.Committee, records(nil))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	good := c.Sealed([]byte("inside"))
	for name, one := range map[string]struct {
		txs  [][]byte
		want error
	}{
		"seq":    {[][]byte{c.SealedBy(key, 1, []byte("x"))}, rules.ErrSeq},
		"expiry": {[][]byte{c.SealedBy(key, 0, []byte("x"), func(h *seal.Header) { h.Expiry = 0 })}, rules.ErrExpiry},
		"gas":    {[][]byte{good, c.Sealed([]byte("x"))}, rules.ErrGas},
		"place":  {[][]byte{{2}, good}, rules.ErrPlace},
		"bytes":  {[][]byte{{seal.Type, 1}}, seal.ErrEncoding},
		"none":   {[][]byte{good, {2}}, nil},
	} {
		if err := w.Check(&preblockv1.Content{Number: 1, Transactions: one.txs}); !errors.Is(err, one.want) || (one.want == nil) != (err == nil) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := w.Check(&preblockv1.Content{Number: 2}); !errors.Is(err, rules.ErrWindow) {
		t.Errorf("after a gap: %v", err)
	}
}
