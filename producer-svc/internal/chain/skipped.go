package chain

// SkippedIn is what an applied block had to skip.
func (c *Chain) SkippedIn(number uint64) ([]Skipped, error) {
	rec, err := c.readRecord(number)
	return rec.Skipped, err
}
