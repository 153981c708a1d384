package steady_test

import (
	"strings"
	"testing"
	"time"

	"blindseq/e2e/steady"
)

func TestTheLastMinuteIsComparedWithTheSecond(t *testing.T) {
	minute := func(plain, sealed time.Duration, mib int64) steady.Minute {
		return steady.Minute{Plain: plain, Sealed: sealed, Resident: mib << 20}
	}
	first, second := minute(90, 90, 900), minute(10*time.Millisecond, 20*time.Millisecond, 100)
	for name, one := range map[string]struct {
		last steady.Minute
		want string
	}{
		"as it was":    {second, ""},
		"a bit worse":  {minute(10900*time.Microsecond, 21900*time.Microsecond, 109), ""},
		"slow, plain":  {minute(11100*time.Microsecond, 20*time.Millisecond, 100), "plain"},
		"slow, sealed": {minute(10*time.Millisecond, 23*time.Millisecond, 100), "sealed"},
		"large":        {minute(10*time.Millisecond, 20*time.Millisecond, 111), "resident"},
	} {
		err := steady.Judge([]steady.Minute{first, second, second, one.last}, 0.1)
		if (err == nil) != (one.want == "") || err != nil && !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if steady.Judge([]steady.Minute{first, second}, 0.1) == nil {
		t.Error("two minutes were compared")
	}
}
