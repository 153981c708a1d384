package ledger

import (
	"fmt"

	"blindseq/producer-svc/internal/admission"
	"blindseq/producer-svc/internal/chain"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"

	"github.com/ethereum/go-ethereum/common"
)

// maxRemembered bounds the sealed transactions whose fates are looked up at a start.
const maxRemembered = 20_000

// fates says what became of the sealed transactions of an applied record.
func (l *Ledger) fates(rec *blueprintv1.LogRecord, opened []chain.Sealed) []admission.Fate {
	if len(rec.GetSealed()) == 0 {
		return nil
	}
	outcomes := l.Chain.Fates(rec.GetNumber(), opened)
	fates := make([]admission.Fate, 0, len(rec.GetSealed()))
	for _, one := range rec.GetSealed() {
		fate := admission.Fate{Submitter: common.BytesToAddress(one.GetSubmitter()), Outcome: admission.Garbage}
		if len(one.GetTransactionHash()) > 0 {
			fate.Outcome, outcomes = outcomes[0], outcomes[1:]
		}
		fates = append(fates, fate)
	}
	return fates
}

// Remember fills an empty book with the fates of the last blocks up to the head.
func (l *Ledger) Remember(book *admission.Book, records func(number uint64) (*blueprintv1.LogRecord, error)) error {
	type block struct {
		number uint64
		at     int64
		fates  []admission.Fate
	}
	head := l.Head()
	var blocks []block
	for number, seen := head.Number, 0; number > 0 && head.Number-number < admission.MemoryBlocks && seen < maxRemembered; number-- {
		rec, err := records(number)
		if err != nil {
			return fmt.Errorf("remember what submitters did: %w", err)
		}
		at := rec.GetTimestamp().GetSeconds()
		if at+admission.Memory < head.Time {
			break
		}
		if fates := l.fates(rec, BlockOf(rec, l.Bars).Sealed); fates != nil {
			blocks, seen = append(blocks, block{number, at, fates}), seen+len(fates)
		}
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		book.Add(blocks[i].number, blocks[i].at, blocks[i].fates)
	}
	return nil
}
