package voter

import (
	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// held is what the keyholder holds for one number. It never changes: something else is another one.
type held struct {
	vote.Held
	attested  *keyholderv1.Attested   // nil when it signed nothing
	signed    *preblockv1.Content     // what it attested, nil with attested
	certified *preblockv1.Content     // what it locked or adopted, nil when it did neither or it is the attested one
	cert      *preblockv1.Certificate // over what it follows; with locks when it is known as final; nil when there is none yet
}

// content is what the keyholder follows.
func (r *held) content() *preblockv1.Content {
	if r.certified != nil {
		return r.certified
	}
	return r.signed
}

func (r *held) message() *keyholderv1.GetAttestedResponse {
	m := &keyholderv1.GetAttestedResponse{Attested: r.attested, Content: r.signed}
	if r.cert != nil {
		m.Adopted = &keyholderv1.Adopted{Content: r.certified, Certificate: r.cert}
	}
	return m
}

// finally is what is held once it is shown as final.
func (r *held) finally(cert *preblockv1.Certificate) *held {
	final := *r
	final.Final, final.cert = true, cert
	return &final
}
