// Package devaccounts has the funded accounts of a development chain: the first addresses of a mnemonic that every Ethereum
// tool knows. The keys are public, so never send anything of value to these addresses on another chain.
package devaccounts

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Mnemonic is the seed phrase of the accounts (BIP-39, English, no passphrase).
const Mnemonic = "test test test test test test test test test test test junk"

// Count is how many accounts of Mnemonic the development genesis funds.
const Count = 10

// hardened marks a BIP-32 index whose child can be derived from the private key alone.
const hardened = 0x80000000

// Account is one address with its key.
type Account struct {
	Path    string // BIP-32 path
	Address common.Address
	Key     *ecdsa.PrivateKey
}

// HexKey is the private key as wallets import it.
func (a Account) HexKey() string { return fmt.Sprintf("0x%x", crypto.FromECDSA(a.Key)) }

// All derives the Count accounts m/44'/60'/0'/0/i of Mnemonic.
func All() ([]Account, error) { return Derive(Mnemonic, Count) }

// Derive gives the first n accounts m/44'/60'/0'/0/i of a mnemonic. The words are taken as they are: a checksum is
// for people typing their own phrase. The derivation is fixed by BIP-32 and is thirty lines of the standard library;
// the packages for it bring the parameters of whole other chains along.
func Derive(mnemonic string, n int) ([]Account, error) {
	parent, err := walk(mnemonic, hardened+44, hardened+60, hardened, 0)
	if err != nil {
		return nil, err
	}
	accounts := make([]Account, 0, n)
	for i := range n {
		child, err := parent.child(uint32(i))
		if err != nil {
			return nil, err
		}
		key, err := crypto.ToECDSA(child.key)
		if err != nil {
			return nil, fmt.Errorf("derive account %d: %w", i, err)
		}
		accounts = append(accounts, Account{
			Path:    fmt.Sprintf("m/44'/60'/0'/0/%d", i),
			Address: crypto.PubkeyToAddress(key.PublicKey),
			Key:     key,
		})
	}
	return accounts, nil
}

// node is a BIP-32 extended private key.
type node struct {
	key       []byte // 32 bytes
	chainCode []byte // 32 bytes
}

func walk(mnemonic string, path ...uint32) (node, error) {
	seed, err := pbkdf2.Key(sha512.New, mnemonic, []byte("mnemonic"), 2048, 64)
	if err != nil {
		return node{}, fmt.Errorf("stretch mnemonic: %w", err)
	}
	current := split([]byte("Bitcoin seed"), seed)
	for _, index := range path {
		if current, err = current.child(index); err != nil {
			return node{}, err
		}
	}
	return current, nil
}

func (n node) child(index uint32) (node, error) {
	var data []byte
	if index >= hardened {
		data = append([]byte{0}, n.key...)
	} else {
		key, err := crypto.ToECDSA(n.key)
		if err != nil {
			return node{}, fmt.Errorf("derive child %d: %w", index, err)
		}
		data = crypto.CompressPubkey(&key.PublicKey)
	}
	next := split(n.chainCode, binary.BigEndian.AppendUint32(data, index))
	sum := new(big.Int).Add(new(big.Int).SetBytes(next.key), new(big.Int).SetBytes(n.key))
	next.key = sum.Mod(sum, crypto.S256().Params().N).FillBytes(make([]byte, 32))
	return next, nil
}

func split(key, data []byte) node {
	mac := hmac.New(sha512.New, key)
	mac.Write(data)
	sum := mac.Sum(nil)
	return node{key: sum[:32], chainCode: sum[32:]}
}
