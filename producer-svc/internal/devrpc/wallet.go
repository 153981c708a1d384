package devrpc

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// wallet signs for the funded accounts, in the namespace eth.
type wallet struct {
	Deps
	addresses []common.Address
	keys      map[common.Address]*ecdsa.PrivateKey

	sending sync.Mutex // a nonce is used before the next one is looked up
}

var errAccount = errors.New("not one of the accounts of eth_accounts")

func (w *wallet) key(of common.Address) (*ecdsa.PrivateKey, error) {
	if key := w.keys[of]; key != nil {
		return key, nil
	}
	return nil, invalid("%s: %v", of, errAccount)
}

// Accounts is eth_accounts.
func (w *wallet) Accounts() []common.Address { return w.addresses }

// RequestAccounts is eth_requestAccounts.
func (w *wallet) RequestAccounts() []common.Address { return w.addresses }

// filled is the answer of eth_fillTransaction, which fills in what is missing of a transaction.
type filled struct {
	Tx *types.Transaction `json:"tx"`
}

// signed is the answer of eth_signTransaction.
type signed struct {
	Raw hexutil.Bytes      `json:"raw"`
	Tx  *types.Transaction `json:"tx"`
}

// SignTransaction is eth_signTransaction.
func (w *wallet) SignTransaction(ctx context.Context, args json.RawMessage) (*signed, error) {
	var from struct{ From common.Address }
	if err := json.Unmarshal(args, &from); err != nil {
		return nil, invalid("read the transaction: %v", err)
	}
	key, err := w.key(from.From)
	if err != nil {
		return nil, err
	}
	var f filled
	if err := w.Client.CallContext(ctx, &f, "eth_fillTransaction", args); err != nil {
		return nil, err // geth's, with the reason of a revert
	}
	tx, err := types.SignTx(f.Tx, types.LatestSignerForChainID(w.ChainID), key)
	if err != nil {
		return nil, fmt.Errorf("sign the transaction: %w", err)
	}
	raw, err := tx.MarshalBinary()
	return &signed{raw, tx}, err
}

// SendTransaction is eth_sendTransaction. While blocks are made for transactions at once, it answers when this one is in its block.
func (w *wallet) SendTransaction(ctx context.Context, args json.RawMessage) (common.Hash, error) {
	hash, err := w.send(ctx, args)
	if err == nil && w.Pacer.Pace().Transactions {
		w.Await(ctx, hash)
	}
	return hash, err
}

func (w *wallet) send(ctx context.Context, args json.RawMessage) (common.Hash, error) {
	w.sending.Lock()
	defer w.sending.Unlock()
	tx, err := w.SignTransaction(ctx, args)
	if err != nil {
		return common.Hash{}, err
	}
	hashes, errs := w.Submit(ctx, [][]byte{tx.Raw})
	return hashes[0], errs[0]
}

// Sign is eth_sign: of a text, not of a hash (EIP-191).
func (w *wallet) Sign(of common.Address, text hexutil.Bytes) (hexutil.Bytes, error) {
	return w.sign(of, accounts.TextHash(text))
}

// SignTypedData_v4 is eth_signTypedData_v4 (EIP-712). The data is JSON, or a string of it.
func (w *wallet) SignTypedData_v4(of common.Address, data json.RawMessage) (hexutil.Bytes, error) {
	if strings.HasPrefix(string(data), `"`) {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return nil, invalid("read the typed data: %v", err)
		}
		data = json.RawMessage(text)
	}
	var typed apitypes.TypedData
	if err := json.Unmarshal(data, &typed); err != nil {
		return nil, invalid("read the typed data: %v", err)
	}
	if err := checkArrays(typed); err != nil {
		return nil, invalid("hash the typed data: %v", err)
	}
	hash, _, err := apitypes.TypedDataAndHash(typed)
	if err != nil {
		return nil, invalid("hash the typed data: %v", err)
	}
	return w.sign(of, hash)
}

// SignTypedData is eth_signTypedData, which tools use for the same.
func (w *wallet) SignTypedData(of common.Address, data json.RawMessage) (hexutil.Bytes, error) {
	return w.SignTypedData_v4(of, data)
}

func (w *wallet) sign(of common.Address, hash []byte) (hexutil.Bytes, error) {
	key, err := w.key(of)
	if err != nil {
		return nil, err
	}
	signature, err := crypto.Sign(hash, key)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signature[crypto.RecoveryIDOffset] += 27 // as wallets write it
	return signature, nil
}

// personal is the namespace of that name.
type personal struct{ w *wallet }

// Sign is personal_sign: the same as eth_sign, with the text first. There are no passwords.
func (p personal) Sign(text hexutil.Bytes, of common.Address, _ *string) (hexutil.Bytes, error) {
	return p.w.Sign(of, text)
}
