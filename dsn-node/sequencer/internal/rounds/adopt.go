package rounds

import (
	"context"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A keyholder follows what is final by adopting it, in these cases: it was away and is brought through what it missed, it
// attested another content, which was lost before it was certified, or it lost its votes and may not sign yet. Where its order
// parts from the log is found by going back from the number where it refuses; that is one step, unless it was changed by hand.

// adopt gives the keyholder what is final for a number.
func (f *follower) adopt(ctx context.Context, number uint64) error {
	final, err := f.d.final(number)
	if err != nil {
		return err // of the sequencer's own log; the round's own work will meet it too
	}
	err = f.call(ctx, "adopt", func(ctx context.Context) error {
		_, err := f.k.Client.Adopt(ctx, &keyholderv1.AdoptRequest{
			Adopted: &keyholderv1.Adopted{Content: final.content, Certificate: final.certificate},
		})
		return err
	})
	if status.Code(err) == codes.FailedPrecondition && f.stepBack(number) {
		return nil
	}
	if err != nil {
		f.settled = 0
		return fmt.Errorf("number %d: %w", number, err)
	}
	f.settle(number)
	f.d.o.Log.DebugContext(ctx, "keyholder adopted what is final", "authority", f.by, "keyholder", f.k.Name, "number", number)
	return nil
}

// settle notes that the keyholder follows the log up to a number.
func (f *follower) settle(number uint64) {
	f.next, f.settled = number+1, number
	f.d.note(func() {
		if r := f.d.round; r != nil && r.statement.Number == number {
			r.holds = r.holds.With(f.by)
		}
	})
	f.d.o.Observer.Reached(f.by, true, number)
}

// stepBack goes to the number before one that does not follow what the keyholder has there. It is false when the keyholder has
// that number already, as far as it said: then something is wrong with it.
func (f *follower) stepBack(number uint64) bool {
	if number <= f.d.o.Committee.First || f.settled == number-1 {
		return false
	}
	f.next, f.settled = number-1, 0
	return true
}
