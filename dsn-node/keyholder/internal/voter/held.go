package voter

import (
	"blindseq/dsn-node/keyholder/vote"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
)

// held is what the keyholder holds for one number. It never changes: something else is another one.
type held struct {
	vote.Held
	attested  *keyholderv1.Attested   // nil when it signed nothing
	signed    *preblockv1.Content     // what it attested, nil with attested
	certified *preblockv1.Content     // what it locked or adopted, nil when it did neither or it is the attested one
	cert      *preblockv1.Certificate // over what it locked or adopted; with locks when it is known as final; nil when there is none yet
	left      *keyholderv1.ViewChange // the statement by which it went to a higher view, nil when it is in view 0
}

// content is what the keyholder follows.
func (r *held) content() *preblockv1.Content {
	if r.Follows() == r.Signed && r.signed != nil {
		return r.signed
	}
	return r.locked()
}

// of is the content of a statement, nil when it is not held.
func (r *held) of(s attest.Statement) *preblockv1.Content {
	switch s {
	case r.Signed:
		return r.signed
	case r.Certified:
		return r.locked()
	}
	return nil
}

// locked is the content that cert is over.
func (r *held) locked() *preblockv1.Content {
	if r.certified != nil {
		return r.certified
	}
	return r.signed
}

func (r *held) message() *keyholderv1.GetAttestedResponse {
	m := &keyholderv1.GetAttestedResponse{Attested: r.attested, Content: r.signed, ViewChange: r.left}
	if r.cert != nil {
		m.Adopted = &keyholderv1.Adopted{Content: r.certified, Certificate: r.cert}
	}
	return m
}

// finally is what is held once it is shown as final.
func (r *held) finally(cert *preblockv1.Certificate) *held {
	final := *r
	final.Final, final.cert = true, cert
	if follows := r.Follows(); r.Certified != (attest.Statement{}) {
		final.Certified, final.CertifiedView = follows, cert.GetView()
		if final.certified = r.content(); follows == r.Signed {
			final.certified = nil
		}
	}
	return &final
}
