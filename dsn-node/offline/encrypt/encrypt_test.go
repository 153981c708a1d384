package encrypt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/internal/plaintx"
	"blindseq/dsn-node/offline/decrypt"
	"blindseq/dsn-node/offline/encrypt"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/seal/keyfile"
	"blindseq/seal/te"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

func generate(t *testing.T) *keygen.Files {
	t.Helper()
	files, err := keygen.Run(keygen.Config{Out: filepath.Join(t.TempDir(), "keys"), Keyholders: 4, Threshold: 3, ChainID: 1337, FirstNumber: 1})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// transfer is a raw transaction; chain 0 makes one without a chain.
func transfer(t *testing.T, chain int64) string {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	var signer types.Signer = types.HomesteadSigner{}
	if chain != 0 {
		signer = types.LatestSignerForChainID(big.NewInt(chain))
	}
	tx, err := types.SignNewTx(key, signer, &types.LegacyTx{Gas: 21000, GasPrice: big.NewInt(1), To: &common.Address{1}, Value: big.NewInt(7)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("0x%x", raw)
}

func TestEncryptedTransactionIsDecryptedByAThresholdOfShares(t *testing.T) {
	files := generate(t)
	tx := transfer(t, 1337)
	var bundle, info, plain bytes.Buffer
	if err := encrypt.Run(encrypt.Config{CommitteeFile: files.Committee}, strings.NewReader(tx+"\n"), &bundle, &info); err != nil {
		t.Fatal(err)
	}
	if hash := crypto.Keccak256Hash(common.FromHex(tx)); !strings.Contains(info.String(), hash.Hex()) {
		t.Fatalf("the hashes shown: %s", info.String())
	}
	cfg := decrypt.Config{CommitteeFile: files.Committee, ShareFile: files.Shares[1:]}
	if err := decrypt.Run(cfg, &bundle, &plain); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(plain.String()); got != tx {
		t.Fatalf("decrypted to %s", got)
	}
}

func TestBundleIsSignedWithTheKeyGiven(t *testing.T) {
	files := generate(t)
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bundler")
	if err := identity.Write(path, key, nil); err != nil {
		t.Fatal(err)
	}
	var out, info bytes.Buffer
	cfg := encrypt.Config{Transaction: transfer(t, 1337), CommitteeFile: files.Committee, IdentityFile: path, Nonce: 9}
	if err := encrypt.Run(cfg, nil, &out, &info); err != nil {
		t.Fatal(err)
	}
	bundle, err := te.DecodeBundle(common.FromHex(strings.TrimSpace(out.String())))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := bundle.Signer()
	if err != nil || signer != crypto.PubkeyToAddress(key.PublicKey) || bundle.Nonce != 9 {
		t.Fatalf("signed by %s with nonce %d, %v", signer, bundle.Nonce, err)
	}
}

func TestWhatCannotRunIsNotEncrypted(t *testing.T) {
	files := generate(t)
	for name, c := range map[string]struct {
		tx   string
		want error
	}{
		"another chain":  {transfer(t, 1), plaintx.ErrChain},
		"any chain":      {transfer(t, 0), plaintx.ErrChain},
		"garbage":        {"0x0102", plaintx.ErrMalformed},
		"a bundle":       {"0x7ec0", plaintx.ErrType},
		"no hex":         {"secret words", input.ErrNotHex},
		"nothing at all": {"0x", input.ErrNotHex},
		"too much":       {"0x" + strings.Repeat("00", te.MaxTxBytes+1), input.ErrTooLarge},
	} {
		var out bytes.Buffer
		err := encrypt.Run(encrypt.Config{CommitteeFile: files.Committee}, strings.NewReader(c.tx), &out, &out)
		if !errors.Is(err, c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, out.String())
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes the input: %v", name, err)
		}
	}
	var out bytes.Buffer
	if err := encrypt.Run(encrypt.Config{CommitteeFile: files.Committee, Unchecked: true}, strings.NewReader("0102"), &out, &out); err != nil {
		t.Errorf("unchecked: %v", err)
	}
}

func TestTooFewOrForeignSharesOpenNothing(t *testing.T) {
	files, others := generate(t), generate(t)
	var bundle, info bytes.Buffer
	if err := encrypt.Run(encrypt.Config{Transaction: transfer(t, 1337), CommitteeFile: files.Committee}, nil, &bundle, &info); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shares []string
		want   error
	}{
		"two of three": {files.Shares[:2], te.ErrTooFewShares},
		"one twice":    {[]string{files.Shares[0], files.Shares[1], files.Shares[1]}, te.ErrDuplicateShare},
		"a foreign":    {[]string{files.Shares[0], files.Shares[1], others.Shares[2]}, te.ErrShare},
		"no share":     {[]string{files.Committee}, keyfile.ErrPermissions},
	} {
		var out bytes.Buffer
		cfg := decrypt.Config{CommitteeFile: files.Committee, ShareFile: c.shares}
		if err := decrypt.Run(cfg, bytes.NewReader(bundle.Bytes()), &out); !errors.Is(err, c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, out.String())
		}
	}
}
