package sealtx_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"blindseq/dsn-node/internal/identity"
	"blindseq/dsn-node/internal/plaintx"
	"blindseq/dsn-node/offline/internal/input"
	"blindseq/dsn-node/offline/internal/vectorstest"
	"blindseq/dsn-node/offline/keygen"
	"blindseq/dsn-node/offline/opentx"
	"blindseq/dsn-node/offline/sealtx"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/keyfile"

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

// configOf seals a transaction for a generated committee.
func configOf(files *keygen.Files, tx string) sealtx.Config {
	return sealtx.Config{
		Transaction: tx, Key: input.Key{CommitteeFile: files.Committee}, SubmitterKeyFile: files.Bundler, Seq: 9, Gas: 21_000, Fee: 1, Expiry: 70,
	}
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

func TestSealedTransactionIsOpenedByAThresholdOfShares(t *testing.T) {
	files := generate(t)
	tx := transfer(t, 1337)
	var sealed, info, plain bytes.Buffer
	if err := sealtx.Run(configOf(files, ""), strings.NewReader(tx+"\n"), &sealed, &info); err != nil {
		t.Fatal(err)
	}
	if hash := crypto.Keccak256Hash(common.FromHex(tx)); !strings.Contains(info.String(), hash.Hex()) {
		t.Fatalf("the hashes shown: %s", info.String())
	}
	cfg := opentx.Config{CommitteeFile: files.Committee, ShareFile: files.Shares[1:]}
	if err := opentx.Run(cfg, &sealed, &plain); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(plain.String()); got != tx {
		t.Fatalf("opened to %s", got)
	}
}

func TestHeaderIsTheOneAskedForAndSignedWithTheKeyGiven(t *testing.T) {
	files := generate(t)
	key, err := identity.Read(files.Bundler, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out, info bytes.Buffer
	if err := sealtx.Run(configOf(files, transfer(t, 1337)), nil, &out, &info); err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.Parse(common.FromHex(strings.TrimSpace(out.String())))
	if err != nil {
		t.Fatal(err)
	}
	c, err := committee.Read(files.Committee)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Ring().Check(sealed); err != nil {
		t.Fatal(err)
	}
	want := seal.Header{ChainID: 1337, Key: c.Keys.ID(), Submitter: crypto.PubkeyToAddress(key.PublicKey), Seq: 9, Gas: 21_000, Fee: 1, Expiry: 70}
	if sealed.Header != want || !strings.Contains(info.String(), sealed.ID().String()) {
		t.Fatalf("header %+v, shown %s", sealed.Header, info.String())
	}
}

func numberOf(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSeedsOfTheVectorsGiveTheirBytes(t *testing.T) {
	for i, v := range vectorstest.Read(t).Cases {
		path := filepath.Join(t.TempDir(), "submitter")
		if err := os.WriteFile(path, []byte("0x"+v.SubmitterKey+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, info bytes.Buffer
		err := sealtx.Run(sealtx.Config{
			Transaction: v.Tx, Key: input.Key{ChainID: v.ChainID, Key: v.PublicKey}, SubmitterKeyFile: path, Seed: v.Seed,
			Seq: numberOf(t, v.Seq), Gas: numberOf(t, v.Gas), Fee: numberOf(t, v.Fee), Expiry: numberOf(t, v.Expiry),
		}, nil, &out, &info)
		if err != nil || out.String() != "0x"+v.Sealed.Sealed+"\n" || !strings.Contains(info.String(), v.ID) {
			t.Errorf("case %d: %v, wrote %.80s", i, err, out.String())
		}
	}
}

func TestVectorsAreOpenedByTheirShares(t *testing.T) {
	for i, v := range vectorstest.Read(t).Cases {
		dir := t.TempDir()
		var points []seal.Point
		for _, public := range v.PublicShares {
			var p seal.Point
			if err := p.UnmarshalText([]byte(public)); err != nil {
				t.Fatal(err)
			}
			points = append(points, p)
		}
		var key seal.Point
		if err := key.UnmarshalText([]byte(v.PublicKey)); err != nil {
			t.Fatal(err)
		}
		keys, err := seal.NewKeys(v.ChainID, v.Threshold, key, points)
		if err != nil {
			t.Fatal(err)
		}
		cfg := opentx.Config{Sealed: v.Sealed.Sealed, CommitteeFile: filepath.Join(dir, "committee.json")}
		var members []common.Address
		for n, secret := range v.SecretShares {
			b, err := hex.DecodeString(secret)
			if err != nil {
				t.Fatal(err)
			}
			share, err := seal.NewSecret(uint8(n), b)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fmt.Sprint(n))
			if err := keyfile.WriteShare(path, share, nil); err != nil {
				t.Fatal(err)
			}
			members = append(members, common.Address{byte(n + 1)})
			if n < v.Threshold {
				cfg.ShareFile = append(cfg.ShareFile, path)
			}
		}
		c, err := committee.New(1, members, keys, committee.Limits{}, committee.Roles{Sequencers: []common.Address{{0xff}}})
		if err == nil {
			err = c.Write(cfg.CommitteeFile)
		}
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := opentx.Run(cfg, nil, &out); err != nil || out.String() != "0x"+v.Tx+"\n" {
			t.Errorf("case %d: %v, wrote %.80s", i, err, out.String())
		}
	}
}

func TestWhatCannotRunIsNotSealed(t *testing.T) {
	files := generate(t)
	fits := transfer(t, 1337)
	for name, c := range map[string]struct {
		tx     string
		change func(*sealtx.Config)
		want   error
	}{
		"another chain":         {transfer(t, 1), nil, plaintx.ErrChain},
		"any chain":             {transfer(t, 0), nil, plaintx.ErrChain},
		"garbage":               {"0x0102", nil, plaintx.ErrMalformed},
		"a sealed one":          {"0x5ec0", nil, plaintx.ErrType},
		"no hex":                {"secret words", nil, input.ErrNotHex},
		"nothing at all":        {"0x", nil, input.ErrNotHex},
		"too much":              {"0x" + strings.Repeat("00", seal.MaxTxBytes+1), nil, input.ErrTooLarge},
		"too little gas":        {fits, func(c *sealtx.Config) { c.Gas-- }, plaintx.ErrHeader},
		"too high a fee":        {fits, func(c *sealtx.Config) { c.Fee++ }, plaintx.ErrHeader},
		"half a seed":           {fits, func(c *sealtx.Config) { c.Seed = "0x00" }, sealtx.ErrSeed},
		"two keys":              {fits, func(c *sealtx.Config) { c.Key.Key = strings.Repeat("00", 32) }, input.ErrKey},
		"a chain without a key": {fits, func(c *sealtx.Config) { c.Key = input.Key{ChainID: 1337} }, input.ErrKey},
		"a key that is none":    {fits, func(c *sealtx.Config) { c.Key = input.Key{ChainID: 1337, Key: strings.Repeat("00", 32)} }, seal.ErrKeys},
	} {
		cfg := configOf(files, "")
		if c.change != nil {
			c.change(&cfg)
		}
		var out bytes.Buffer
		err := sealtx.Run(cfg, strings.NewReader(c.tx), &out, &out)
		if !errors.Is(err, c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, out.String())
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes the input: %v", name, err)
		}
	}
	cfg := configOf(files, "0102")
	cfg.Unchecked = true
	var out bytes.Buffer
	if err := sealtx.Run(cfg, nil, &out, &out); err != nil {
		t.Errorf("unchecked: %v", err)
	}
}

func TestTooFewOrForeignSharesOpenNothing(t *testing.T) {
	files, others := generate(t), generate(t)
	var sealed, info bytes.Buffer
	if err := sealtx.Run(configOf(files, transfer(t, 1337)), nil, &sealed, &info); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shares []string
		want   error
	}{
		"two of three": {files.Shares[:2], seal.ErrTooFewShares},
		"one twice":    {[]string{files.Shares[0], files.Shares[1], files.Shares[1]}, seal.ErrDuplicateShare},
		"a foreign":    {[]string{files.Shares[0], files.Shares[1], others.Shares[2]}, seal.ErrSecret},
		"no share":     {[]string{files.Committee}, keyfile.ErrPermissions},
	} {
		var out bytes.Buffer
		cfg := opentx.Config{CommitteeFile: files.Committee, ShareFile: c.shares}
		if err := opentx.Run(cfg, bytes.NewReader(sealed.Bytes()), &out); !errors.Is(err, c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, wrote %q", name, err, out.String())
		}
	}
}
