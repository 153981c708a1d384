package rpc

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Submitter is the answer of te_getSubmitter.
type Submitter struct {
	NextSeq hexutil.Uint64 `json:"nextSeq"`
	// Class is how early its turn comes: front, new, back or out.
	Class string `json:"class"`
	// Refused says why it may not submit.
	Refused string `json:"refused,omitempty"`
	// Executed, Ended and Garbage count what became of its transactions lately.
	Executed int `json:"executed"`
	Ended    int `json:"ended"`
	Garbage  int `json:"garbage"`
	// Waiting is what waits, and Quota how much of its may; null for without a bound.
	Waiting Volume  `json:"waiting"`
	Quota   *Volume `json:"quota"`
}

// Volume is an amount of sealed transactions.
type Volume struct {
	Transactions hexutil.Uint64 `json:"transactions,omitempty"`
	Gas          hexutil.Uint64 `json:"gas"`
	Bytes        hexutil.Uint64 `json:"bytes"`
}

// GetSubmitter is te_getSubmitter: what a submitter of sealed transactions may do at this replica, and why. It depends on the
// replica's flags, so ask the leader.
func (s *teService) GetSubmitter(submitter common.Address) (*Submitter, error) {
	if s.Submitter == nil {
		return nil, errNotSealed
	}
	at := s.Submitter(submitter)
	answer := &Submitter{
		NextSeq: hexutil.Uint64(at.NextSeq), Class: at.Class.String(), Executed: at.Executed, Ended: at.Ended, Garbage: at.Garbage,
		Waiting: Volume{hexutil.Uint64(at.Transactions), hexutil.Uint64(at.WaitingGas), hexutil.Uint64(at.WaitingBytes)},
	}
	if at.Refused != nil {
		answer.Refused = at.Refused.Error()
	}
	if at.Bounded() {
		answer.Quota = &Volume{Gas: hexutil.Uint64(at.Gas), Bytes: hexutil.Uint64(at.Bytes)}
	}
	return answer, nil
}
