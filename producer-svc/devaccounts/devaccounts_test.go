package devaccounts_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/big"
	"testing"

	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/crypto"
)

// The addresses every development tool prints for this mnemonic.
var known = []string{
	"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
	"0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
	"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
	"0x90F79bf6EB2c4f870365E785982E1f101E93b906",
	"0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
	"0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
	"0x976EA74026E726554dB657fA54763abd0C3a0aa9",
	"0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
	"0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
	"0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
}

func TestAccountsAreTheOnesWalletsDerive(t *testing.T) {
	accounts, err := devaccounts.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(accounts) != len(known) {
		t.Fatalf("%d accounts, want %d", len(accounts), len(known))
	}
	for i, want := range known {
		if got := accounts[i].Address.Hex(); got != want {
			t.Errorf("account %d is %s, want %s", i, got, want)
		}
	}
	parent, err := walk(devaccounts.Mnemonic, hardened+44, hardened+60, hardened, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range accounts {
		child, err := parent.child(uint32(i))
		if want := fmt.Sprintf("0x%x", child.key); err != nil || a.HexKey() != want {
			t.Errorf("key %d is %s, the mnemonic gives %s (%v)", i, a.HexKey(), want, err)
		}
	}
	const first = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
	if got := accounts[0].HexKey(); got != first {
		t.Errorf("key 0 is %s, want %s", got, first)
	}
}

// hardened marks a BIP-32 index whose child can be derived from the private key alone.
const hardened = 0x80000000

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
