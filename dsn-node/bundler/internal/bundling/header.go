package bundling

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"blindseq/dsn-node/bundler/internal/outbox"
	"blindseq/seal"
	"blindseq/seal/committee"
	"blindseq/seal/rules"

	"github.com/ethereum/go-ethereum/core/types"
)

// ErrGas says that a transaction has a higher gas limit than the chain allows for sealed ones.
var ErrGas = errors.New("transaction gas limit too high")

// gasClasses are what headers say of the gas limit, so that they tell little about the transaction.
var gasClasses = []uint64{50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000, 15_000_000}

// gasOf rounds a gas limit up to a class, or to the most that a sealed transaction may have.
func gasOf(gas uint64, limits committee.Limits) (uint64, error) {
	most := rules.MostGas(limits)
	if gas > most {
		return 0, fmt.Errorf("%w (cap: %d, tx: %d)", ErrGas, most, gas)
	}
	for _, class := range gasClasses {
		if gas <= class {
			return min(class, most), nil
		}
	}
	return most, nil
}

// feeOf rounds a fee cap down to two significant digits, or to as many more as keep it at or above the base fee, below which it
// would not be ordered.
func feeOf(feeCap, baseFee *big.Int) uint64 {
	fee := uint64(math.MaxUint64)
	if feeCap.IsUint64() {
		fee = feeCap.Uint64()
	}
	unit := uint64(1)
	for fee/unit >= 100 {
		unit *= 10
	}
	for unit > 1 && new(big.Int).SetUint64(fee/unit*unit).Cmp(baseFee) < 0 {
		unit /= 10
	}
	return fee / unit * unit
}

// expiryOf is the last number at which a transaction may be ordered. A seq above 0 is good for the chain's lifetime after the
// submitter's last one alone: then the sequence begins again, and this transaction must not have a place in the next one.
func expiryOf(seq, head, lastOrdered uint64, limits committee.Limits) uint64 {
	expiry := head + limits.Lifetime
	if seq > 0 && lastOrdered > 0 {
		expiry = min(expiry, lastOrdered+limits.Lifetime)
	}
	return max(expiry, head+1)
}

// seal seals a transaction under the seq of its item.
func (o *Options) seal(item outbox.Item, tx *types.Transaction, raw []byte, at lead) (outbox.Item, []byte, error) {
	limits := o.Committee.Limits
	gas, err := gasOf(tx.Gas(), limits)
	if err != nil {
		return item, nil, err
	}
	item.Expiry = expiryOf(item.Seq, at.Head, o.Box.LastOrdered(), limits)
	key := o.Committee.Keys.Key
	s, err := seal.Seal(key, seal.Header{
		ChainID: key.ChainID(), Key: key.ID(), Submitter: o.submitter(), Seq: item.Seq,
		Gas: gas, Fee: feeOf(tx.GasFeeCap(), at.BaseFee), Expiry: item.Expiry,
	}, seal.NewSeed(), raw)
	if err == nil {
		err = s.Sign(o.Key)
	}
	if err != nil {
		return item, nil, err
	}
	item.ID = [32]byte(s.ID())
	return item, s.Encode(), nil
}

// store makes a sealed transaction durable.
func (o *Options) store(item outbox.Item, raw, sealed []byte) error {
	// gofail: var sealedStoring struct{}
	err := o.Box.Put(item, outbox.Content{Raw: raw, Sealed: sealed})
	// gofail: var sealedStored struct{}
	return err
}
