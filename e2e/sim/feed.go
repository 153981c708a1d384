package sim

import (
	"crypto/ed25519"

	"blindseq/producer-svc/blueprint"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
)

// sequencerKey signs what is published, of every replica.
var sequencerKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// Get makes a producer's log what blueprints are published from.
func (p *producerNode) Get(number uint64) (*blueprintv1.LogRecord, error) {
	rec, ok := p.log.get(number)
	if !ok {
		return nil, errNotFound
	}
	return rec, nil
}

// blueprint is what is published of an applied number, made by producer-svc's own builder.
func (p *producerNode) blueprint(number uint64) (*blueprintv1.Blueprint, error) {
	key := sequencerKey
	if p.w.bug(PublishesOtherBytes) && p.life > 1 {
		key = ed25519.NewKeyFromSeed(key[32:])
	}
	return blueprint.Builder{Records: p, Results: p.chain, Key: key}.Blueprint(number)
}

// publish makes an applied blueprint, and all before, visible. One that is visible already changes nothing.
func (p *producerNode) publish(number uint64) {
	for ; p.at < number; p.at++ {
		b, err := p.blueprint(p.at + 1)
		if err != nil {
			p.w.alarm(p.process, err)
			return
		}
		p.w.published(p, p.at+1, b)
	}
}
