package feed

// Outbox is the feed as messages for a rollup.
type Outbox struct {
	*Feed
	Rollup RollupAddress
}

// Messages are those of one applied blueprint.
func (o Outbox) Messages(number uint64) ([]string, error) {
	b, err := o.Get(number)
	if err != nil {
		return nil, err
	}
	return Messages(o.Rollup, b), nil
}
