package load

import (
	"context"
	"fmt"
	"time"

	"blindseq/e2e/history"
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"
)

// sealedGas is the bound that wallets name for a transfer.
const sealedGas = 50_000

// sealedFee is the lowest fee cap that wallets name, in wei: above every base fee of a test.
const sealedFee = 1000 * params.GWei

// Sealer seals an account's transactions, as a wallet does that trusts no bundler: the account is its own submitter. It is one
// goroutine's.
type Sealer struct {
	by      *committee.Committee
	account *Account
	Seq     uint64 // of the next one
	Expiry  uint64
}

// NewSealer returns a sealer for transactions that are ordered at numbers up to a lifetime after head.
func NewSealer(by *committee.Committee, a *Account, head uint64) *Sealer {
	return &Sealer{by: by, account: a, Expiry: head + by.Limits.Lifetime}
}

// Seal seals a transaction with the next seq. change may change the header.
func (s *Sealer) Seal(tx *types.Transaction, change ...func(*seal.Header)) (*seal.Sealed, error) {
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode transaction %s: %w", tx.Hash(), err)
	}
	fee := func(h *seal.Header) {
		if limit := tx.GasFeeCap(); limit.IsUint64() {
			h.Fee = min(h.Fee, limit.Uint64())
		}
	}
	return s.SealRaw(raw, append([]func(*seal.Header){fee}, change...)...)
}

// SealRaw seals any bytes with the next seq.
func (s *Sealer) SealRaw(raw []byte, change ...func(*seal.Header)) (*seal.Sealed, error) {
	return s.signed(change, func(h seal.Header) (*seal.Sealed, error) { return seal.Seal(s.by.Keys.Key, h, seal.NewSeed(), raw) })
}

// Garbage makes what passes every check and is unopenable for a reason: seal.ErrPayload, seal.ErrPadding or seal.ErrSeed.
func (s *Sealer) Garbage(kind error) (*seal.Sealed, error) {
	return s.signed(nil, func(h seal.Header) (*seal.Sealed, error) { return seal.SealGarbage(s.by.Keys.Key, h, kind) })
}

func (s *Sealer) signed(change []func(*seal.Header), make func(seal.Header) (*seal.Sealed, error)) (*seal.Sealed, error) {
	h := seal.Header{
		ChainID: s.by.ChainID, Key: s.by.Keys.ID(), Submitter: s.account.Address, Seq: s.Seq, Gas: sealedGas, Fee: sealedFee, Expiry: s.Expiry,
	}
	for _, do := range change {
		do(&h)
	}
	sealed, err := make(h)
	if err == nil {
		err = sealed.Sign(s.account.key)
	}
	if err != nil {
		return nil, err
	}
	s.Seq++
	return sealed, nil
}

// StreamSealed is Stream for transactions that the wallet seals itself: what is acknowledged is the id of the sealed one.
func StreamSealed(ctx context.Context, client *ethclient.Client, by *committee.Committee, a *Account, pace time.Duration, r *history.Recorder) error {
	head, err := client.BlockNumber(ctx)
	if err != nil {
		return fmt.Errorf("get head: %w", err)
	}
	sealer := NewSealer(by, a, head)
	return stream(ctx, a, pace, r, func(tx *types.Transaction) (letter, error) {
		s, err := sealer.Seal(tx)
		if err != nil {
			return letter{}, err
		}
		raw := s.Encode()
		return letter{hash: common.Hash(s.ID()), sealed: true, send: func(ctx context.Context) error {
			return client.Client().CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(raw))
		}}, nil
	})
}
