package history

import (
	"slices"
	"strings"
	"testing"

	"blindseq/kit/content"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal"
)

// block is one block of a short history, a letter for each transaction.
type block struct{ sealed, delayed, plain, executed, ended string }

// history of blocks, as preblocks and blueprints say it.
func historyOf(blocks []block) *History {
	h := &History{}
	for i, b := range blocks {
		number := uint64(i + 1)
		p := &preblockv1.Preblock{Content: &preblockv1.Content{Number: number}}
		bp := &blueprintv1.Blueprint{Number: number}
		for j, tx := range b.sealed {
			p.Content.Transactions = append(p.Content.Transactions, []byte{seal.Type, byte(number), byte(j)})
			p.Outcomes = append(p.Outcomes, &preblockv1.Outcome{
				Index: uint32(j), Result: &preblockv1.Outcome_Opened{Opened: &preblockv1.Opened{Transaction: []byte(string(tx))}},
			})
			bp.Transactions = append(bp.Transactions, []byte(string(tx)))
		}
		for _, tx := range b.delayed {
			hash := content.Keccak([]byte(string(tx)))
			bp.DelayedTransactions = append(bp.DelayedTransactions, &blueprintv1.DelayedTransaction{Hash: hash[:], Raw: []byte(string(tx))})
		}
		for _, tx := range b.plain {
			p.Content.Transactions, bp.Transactions = append(p.Content.Transactions, []byte(string(tx))), append(bp.Transactions, []byte(string(tx)))
		}
		for _, tx := range b.executed {
			bp.Executed = append(bp.Executed, &blueprintv1.ExecutedTransaction{Raw: []byte(string(tx)), Delayed: strings.ContainsRune(b.delayed, tx)})
		}
		for _, tx := range b.ended {
			hash := content.Keccak([]byte(string(tx)))
			bp.Skipped = append(bp.Skipped, &blueprintv1.SkippedTransaction{Hash: hash[:], Reason: "nonce"})
		}
		h.Preblocks = append(h.Preblocks, Seen[*preblockv1.Preblock]{"dsn", p})
		h.Blueprints = append(h.Blueprints, Seen[*blueprintv1.Blueprint]{"feed", bp})
	}
	return h
}

// One transaction may be ordered twice and end once: before its nonce was due, or after it was used.
func TestABlockExecutesWhatWasOrderedInItsOrder(t *testing.T) {
	for name, one := range map[string]struct {
		blocks []block
		want   string // violations
	}{
		"nothing ended":                   {[]block{{plain: "ab", executed: "ab"}}, ""},
		"one ended":                       {[]block{{plain: "abc", executed: "ac", ended: "b"}}, ""},
		"ended the first time":            {[]block{{plain: "bab", executed: "ab", ended: "b"}}, ""},
		"ended the second time":           {[]block{{plain: "bab", executed: "ba", ended: "b"}}, ""},
		"executed twice":                  {[]block{{plain: "bab", executed: "bab", ended: "b"}}, "S1"},
		"executed and said to have ended": {[]block{{plain: "ab", executed: "ab", ended: "b"}}, "S1"},
		"in another order":                {[]block{{plain: "ab", executed: "ba"}}, "S1"},
		"one more":                        {[]block{{plain: "a", executed: "ab"}}, "S1"},
		"the kinds in their order":        {[]block{{sealed: "ab", delayed: "cd", plain: "ef", executed: "abcdef"}}, ""},
		"delayed before sealed":           {[]block{{sealed: "a", delayed: "c", executed: "ca"}}, "S1 S16"},
		"sealed in another order":         {[]block{{sealed: "ab", executed: "ba"}}, "S1 S16"},
		"sealed ended":                    {[]block{{sealed: "ab", plain: "c", executed: "bc", ended: "a"}}, ""},
		"sealed waits":                    {[]block{{sealed: "ab", executed: "a"}, {executed: "b"}}, "S1 S16"},
		"some wait": {[]block{
			{plain: "abc", executed: "a"}, {sealed: "d", delayed: "e", plain: "f", executed: "dbce"}, {executed: "f"},
		}, ""},
		"what waits is ordered again":  {[]block{{plain: "abc", executed: "a"}, {plain: "b", executed: "bc", ended: "b"}}, ""},
		"what waits ends at its turn":  {[]block{{plain: "abc", executed: "a"}, {plain: "d", executed: "cd", ended: "b"}}, ""},
		"what waits is overtaken":      {[]block{{plain: "abc", executed: "a"}, {plain: "d", executed: "dbc"}}, "S1"},
		"what waits goes before":       {[]block{{plain: "ab", executed: "a"}, {sealed: "c", executed: "bc"}}, "S1 S16"},
		"what waits changes its order": {[]block{{plain: "abc", executed: "a"}, {executed: "cb"}}, "S1"},
		"what waits waits on":          {[]block{{plain: "abc", executed: "a"}, {}}, "S1"},
		"what waits is forgotten":      {[]block{{plain: "ab", executed: "a"}, {plain: "c", executed: "c"}}, "S1"},
		"a smaller one overtakes":      {[]block{{plain: "abc", executed: "ac"}}, "S1"},
	} {
		c := newChecker(historyOf(one.blocks))
		c.executions()
		var names []string
		for _, v := range c.found {
			names = append(names, v.Name)
		}
		slices.Sort(names)
		if got := strings.Join(slices.Compact(names), " "); got != one.want {
			t.Errorf("%s: found %v, want %q", name, c.found, one.want)
		}
	}
}

func TestWhatIsPublishedIsWhatTheBlockExecuted(t *testing.T) {
	h := clean(t)
	b := h.Blueprints[6].Value // with a delayed transaction first
	if err := verifyChunks(b, h.Key); err != nil {
		t.Fatal(err)
	}
	b.Executed[0], b.Executed[1] = b.Executed[1], b.Executed[0]
	if verifyChunks(b, h.Key) == nil {
		t.Error("another order was taken for the published one")
	}
	publish(t, b)
	if err := verifyChunks(b, h.Key); err != nil {
		t.Error(err)
	}
}
