package admission

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"
)

// ErrSubmitter: the submitter may not submit here.
var ErrSubmitter = errors.New("submitter is not allowed")

// Entry says who may submit. The zero value lets everybody in.
type Entry struct {
	// Allowed may always submit.
	Allowed map[common.Address]bool
	// Closed lets in nobody who is not allowed.
	Closed bool
	// Relay says who is a relay of the chain, who needs no balance; nil for none.
	Relay func(common.Address) bool
	// Least is the balance that lets others in; nil asks for none.
	Least *uint256.Int
	// Balance is that of an account on the head.
	Balance func(common.Address) (*uint256.Int, error)
}

// Trusted reports whether a submitter was named by the operator or by the chain's file.
func (e *Entry) Trusted(submitter common.Address) bool {
	return e.Allowed[submitter] || !e.Closed && e.Relay != nil && e.Relay(submitter)
}

// Check refuses a submitter that may not submit.
func (e *Entry) Check(submitter common.Address) error {
	switch {
	case e.Trusted(submitter):
		return nil
	case e.Closed:
		return fmt.Errorf("%w: %s is not on --seal-allow", ErrSubmitter, submitter)
	case e.Least == nil || e.Least.IsZero():
		return nil
	}
	has, err := e.Balance(submitter)
	if err != nil {
		return fmt.Errorf("look at the submitter's balance: %w", err)
	}
	if has.Lt(e.Least) {
		return fmt.Errorf("%w: %s has %s wei and needs %s (--seal-min-balance); fund it, or send through a bundler",
			ErrSubmitter, submitter, has.Dec(), e.Least.Dec())
	}
	return nil
}
