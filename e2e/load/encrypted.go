package load

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"blindseq/e2e/history"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// StreamBundles is Stream for transactions that the wallet encrypts itself: what is acknowledged is the bundle's hash.
func StreamBundles(ctx context.Context, client *ethclient.Client, to te.MasterPublicKey, a *Account, pace time.Duration, r *history.Recorder) error {
	return stream(ctx, a, pace, r, func(tx *types.Transaction) (letter, error) {
		b, err := Encrypt(to, tx)
		if err != nil {
			return letter{}, err
		}
		raw := b.Encode()
		return letter{hash: b.Hash(), bundle: true, send: func(ctx context.Context) error {
			return client.Client().CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(raw))
		}}, nil
	})
}

// Encrypt makes an unsigned bundle of a transaction.
func Encrypt(to te.MasterPublicKey, tx *types.Transaction) (*te.Bundle, error) {
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode transaction %s: %w", tx.Hash(), err)
	}
	payload, err := te.Encrypt(rand.Reader, to, raw)
	if err != nil {
		return nil, err
	}
	return &te.Bundle{Payload: payload}, nil
}
