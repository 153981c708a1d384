package chain

// UpgradeDue says whether a block with this timestamp (seconds) would be the first under the rules of another fork than
// the head's.
func (c *Chain) UpgradeDue(timestamp uint64) bool {
	config := c.bc.Config()
	return config.LatestFork(timestamp) != config.LatestFork(c.bc.CurrentBlock().Time)
}
