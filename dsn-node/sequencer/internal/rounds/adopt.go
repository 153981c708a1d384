package rounds

import (
	"context"

	"blindseq/kit/retry"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A keyholder that attested a content which was lost before it was certified signs no other one for that number. When the
// others certify another content, it is shown their certificate and continues after it. Where the two orders part is found by
// going back from the number where it refuses; that is one step, unless it attested several numbers in the lost order.

// adopt shows the keyholder the certificate of a number for which it attested something else; adopted is false when there is
// none yet.
func (f *follower) adopt(ctx context.Context, number uint64) (adopted bool, err error) {
	c, cert, err := f.d.certified(number)
	if cert == nil || err != nil {
		return false, err
	}
	err = f.call(ctx, "adopt", func(ctx context.Context) error {
		_, err := f.k.Client.Adopt(ctx, &keyholderv1.AdoptRequest{Adopted: &keyholderv1.Adopted{Content: c, Certificate: cert}})
		return err
	})
	if status.Code(err) == codes.FailedPrecondition && number > f.d.o.Committee.First {
		return true, f.stepBack(ctx, number)
	}
	if err != nil {
		return false, err
	}
	f.settle(number)
	f.d.o.Log.InfoContext(ctx, "keyholder had attested a content that was lost, and has adopted the certified one", "authority", f.by,
		"keyholder", f.k.Name, "number", number)
	return true, nil
}

// settle notes that the keyholder follows the log up to a number.
func (f *follower) settle(number uint64) {
	f.next, f.settled = number+1, number
	f.d.o.Observer.Reached(f.by, true, number)
}

// stepBack goes to the number before one that does not follow what the keyholder has there.
func (f *follower) stepBack(ctx context.Context, number uint64) error {
	f.next = max(number-1, f.d.o.Committee.First)
	_ = retry.Sleep(ctx, firstBackoff) // one that says so for ever must not keep both sides busy
	return nil
}

// certified returns a number's content with its certificate, which is nil while there is none.
func (d *Driver) certified(number uint64) (*preblockv1.Content, *preblockv1.Certificate, error) {
	d.mu.Lock()
	if r := d.round; r != nil && r.statement.Number == number {
		defer d.mu.Unlock()
		return r.content, r.certificate, nil
	}
	d.mu.Unlock()
	_, p, err := d.decided(number)
	return p.GetContent(), p.GetCertificate(), err
}
