package history

import (
	"strings"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
)

// tokens checks S12 on each blueprint log: fencing tokens do not decrease in commit order, and one token is one holder's,
// and none is older than that of the request it serves.
func (c *checker) tokens() {
	asked := map[string]uint64{}
	for _, l := range c.Listings {
		for _, r := range l.Requests {
			asked[r.GetRequestId()] = r.GetToken()
		}
	}
	c.tokensOf(c.Records, asked)
	for _, log := range c.Logs {
		c.tokensOf(log.Value, asked)
	}
}

func (c *checker) tokensOf(records []*blueprintv1.LogRecord, asked map[string]uint64) {
	var token, number uint64
	var holder string
	for _, r := range records {
		switch {
		case r.GetNumber() <= number:
			c.violated("S12", "record %d was written after record %d", r.GetNumber(), number)
		case r.GetToken() < token:
			c.violated("S12", "record %d has token %d, record %d before it %d", r.GetNumber(), r.GetToken(), number, token)
		case r.GetToken() == token && r.GetHolder() != holder:
			c.violated("S12", "token %d was used by %s (record %d) and %s (record %d)",
				token, holder, number, r.GetHolder(), r.GetNumber())
		}
		if t := asked[r.GetRequestId()]; !c.Wiped && !r.GetFollowed() && t > r.GetToken() {
			c.violated("S12", "record %d has token %d, its request was made under %d", r.GetNumber(), r.GetToken(), t)
		}
		token, holder, number = r.GetToken(), r.GetHolder(), r.GetNumber()
	}
}

// ReasonName is the name of a reason as the APIs spell it: pool_locked, pool_empty, timestamp_decreased, timestamp_ahead.
func ReasonName(r preblockv1.NoPreblockReason) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "NO_PREBLOCK_REASON_"))
}
