package inspect

import (
	"bytes"
	"encoding/json"
	"fmt"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
)

// finalObject is the preblock of a transaction's step "final" over REST: it has no outcomes yet, and no list when that is long.
type finalObject struct {
	*preblockv1.Preblock
	position uint64
}

// decodeStep reads a step of a transaction, as REST sends it.
func decodeStep(fields map[string]any) (object, error) {
	inner, _ := fields[KindPreblock].(map[string]any)
	o, _ := fromFields(&preblockv1.Preblock{}, inner).(shown)
	preblock, is := o.record.(*preblockObject)
	if !is {
		return nil, fmt.Errorf("%w: a step without a proof or a preblock shows nothing", ErrUnknown)
	}
	final := &finalObject{Preblock: preblock.Preblock}
	if position, given := fields["position"].(json.Number); given {
		at, err := position.Int64()
		if err != nil || at < 0 {
			return nil, fmt.Errorf("%w: position %s", ErrUnknown, position)
		}
		final.position = uint64(at)
	}
	return shown{final}, nil
}

func (o *finalObject) show(p *page) {
	list := o.GetContent().GetTransactions()
	p.title("final content of number %d", o.GetContent().GetNumber())
	if len(list) == 0 {
		p.line("position", "said to be %d: the list was left out, so that only its hash is verified", o.position)
	} else {
		p.line("position", "%d of %d transactions, the first is 0", o.position, len(list))
	}
	if o.position < uint64(len(list)) {
		showTransaction(p, int(o.position), list[o.position], nil)
	}
	p.line("content hash", "0x%x", o.GetContentHash())
	showCertificate(p, o.GetCertificate())
}

func (o *finalObject) verify(c *committee.Committee) error {
	list := o.GetContent().GetTransactions()
	if len(list) == 0 {
		s, err := attest.VerifyFinal(c, o.GetCertificate())
		if err == nil && !bytes.Equal(s.Content[:], o.GetContentHash()) {
			err = fmt.Errorf("the certificate is of another content, %s", s.Content)
		}
		return err
	}
	if o.position >= uint64(len(list)) {
		return fmt.Errorf("position %d of %d transactions", o.position, len(list))
	}
	if hash := content.HashOf(o.GetContent()); !bytes.Equal(o.GetContentHash(), hash[:]) {
		return fmt.Errorf("the content hash is %s", common.Hash(hash))
	}
	_, err := attest.VerifyPreblock(c, o.Preblock)
	return err
}
