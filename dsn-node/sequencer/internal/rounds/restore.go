package rounds

import (
	"context"
	"fmt"
	"sync"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"

	"github.com/ethereum/go-ethereum/common"
)

// A keyholder without votes may have lost them, and signs nothing until it is shown how far the order is certified: by reports
// of its peers, which are signed for the challenge it made. The follower carries them; it can make none.

// restore brings a keyholder the reports of its peers. One that is too few to be restored is asked for again with the next
// greeting.
func (f *follower) restore(ctx context.Context, challenge common.Hash) error {
	reports := f.reports(ctx, challenge)
	var answer *keyholderv1.RestoreResponse
	err := f.call(ctx, "restore", func(ctx context.Context) (err error) {
		answer, err = f.k.Client.Restore(ctx, &keyholderv1.RestoreRequest{Reports: reports})
		return err
	})
	if err != nil {
		return fmt.Errorf("it has no votes and waits for reports of its peers, %d of %d came: %w",
			len(reports), f.d.o.Committee.Size()-1, err)
	}
	f.d.note(func() { f.signsFrom = answer.GetSignsFrom() })
	f.d.o.Log.InfoContext(ctx, "keyholder without votes is restored", "authority", f.by, "keyholder", f.k.Name,
		"signs_from", answer.GetSignsFrom(), "reports", len(reports))
	return nil
}

// reports asks all peers at once and returns what holds: a wrong report would spoil the others.
func (f *follower) reports(ctx context.Context, challenge common.Hash) (out []*keyholderv1.Report) {
	all := make([]*keyholderv1.Report, len(f.d.followers))
	var wg sync.WaitGroup
	for _, peer := range f.d.followers {
		if peer != f {
			wg.Go(func() { all[peer.by] = peer.reportFor(ctx, challenge) })
		}
	}
	wg.Wait()
	for _, r := range all {
		if r != nil {
			out = append(out, r)
		}
	}
	return out
}

// reportFor asks this keyholder for a report to one that lost its votes, nil when it gives none. It is called by another
// follower's goroutine.
func (f *follower) reportFor(ctx context.Context, challenge common.Hash) *keyholderv1.Report {
	ours := f.d.o.Committee.Hash()
	var answer *keyholderv1.ReportResponse
	err := f.call(ctx, "report", func(ctx context.Context) (err error) {
		answer, err = f.k.Client.Report(ctx, &keyholderv1.ReportRequest{CommitteeHash: ours[:], Challenge: challenge[:]})
		return err
	})
	if err != nil {
		return nil // the restored keyholder says how many it waits for
	}
	number, err := attest.VerifyReport(f.d.o.Committee, answer.GetReport(), challenge)
	if err == nil && answer.GetReport().GetAuthority() != uint32(f.by) {
		err = fmt.Errorf("it is of authority %d: %w", answer.GetReport().GetAuthority(), errWrongAnswer)
	}
	if err != nil {
		f.d.faults.name(ctx, f.by, kindInvalid, number, err.Error())
		return nil
	}
	return answer.GetReport()
}
