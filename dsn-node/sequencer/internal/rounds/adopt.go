package rounds

import (
	"context"
	"fmt"

	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A keyholder follows what is final by adopting it, in these cases: it was away and is brought through what it missed, it
// attested another content, which was lost before it was certified, or it lost its votes and may not sign yet. Where its order
// parts from the log is found by going back from the number where it refuses; that is one step, unless it was changed by hand.

// What a keyholder is given in one call at most: one that is far away would follow too slowly number by number.
const (
	adoptNumbers = 256
	adoptBytes   = 1 << 20 // more only when it is one content
)

// adopt gives the keyholder what is final for a number and those after it, up to last or to what a call may hold.
func (f *follower) adopt(ctx context.Context, number, last uint64) error {
	request, err := f.adopted(number, last)
	if err != nil {
		return err // of the sequencer's own log; the round's own work will meet it too
	}
	var answer *keyholderv1.AdoptResponse
	err = f.call(ctx, "adopt", func(ctx context.Context) (err error) {
		answer, err = f.k.Client.Adopt(ctx, request)
		return err
	})
	if status.Code(err) == codes.FailedPrecondition && f.stepBack(number) {
		return nil
	}
	if err != nil {
		f.settled = 0
		return fmt.Errorf("number %d: %w", number, err)
	}
	reached := max(number, min(answer.GetLastNumber(), number+uint64(len(request.GetFollowing()))))
	f.settle(reached)
	f.d.o.Log.DebugContext(ctx, "keyholder adopted what is final", "authority", f.by, "keyholder", f.k.Name, "number", number, "to", reached)
	return nil
}

// adopted is what one call gives a keyholder.
func (f *follower) adopted(number, last uint64) (*keyholderv1.AdoptRequest, error) {
	first, err := f.d.final(number)
	if err != nil {
		return nil, err
	}
	one := func(f final) *keyholderv1.Adopted {
		return &keyholderv1.Adopted{Content: f.content, Certificate: f.certificate}
	}
	request := &keyholderv1.AdoptRequest{Adopted: one(first)}
	bytes := proto.Size(request.GetAdopted())
	for n := number + 1; n <= last && n <= number+adoptNumbers; n++ {
		next, err := f.d.final(n)
		if err != nil {
			break // the call for it will say why
		}
		if bytes += proto.Size(next.content) + proto.Size(next.certificate); bytes > adoptBytes {
			break
		}
		request.Following = append(request.Following, one(next))
	}
	return request, nil
}

// settle notes that the keyholder follows the log up to a number.
func (f *follower) settle(number uint64) {
	f.next, f.settled = number+1, number
	f.d.note(func() {
		f.reached = number
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
