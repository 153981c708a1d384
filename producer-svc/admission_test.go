package producer

import (
	"strings"
	"testing"
)

func TestFlagsSayWhoMaySubmit(t *testing.T) {
	const listed = "0x00000000000000000000000000000000000000aa"
	for name, x := range map[string]struct {
		allow  []string
		least  string
		closed bool
		want   string // of the balance, or of the error
	}{
		"by default":           {nil, "", false, "10000000000000000"},
		"a list is of all":     {[]string{listed}, "", true, ""},
		"a list and a balance": {[]string{listed}, "1000000000000000000000", false, "1000000000000000000000"},
		"everybody":            {nil, "0", false, "0"},
		"no address":           {[]string{"0x12"}, "", false, "--seal-allow"},
		"no number":            {nil, "1 ether", false, "--seal-min-balance"},
		"a negative number":    {nil, "-1", false, "--seal-min-balance"},
	} {
		cfg := Config{SealAllow: x.allow, SealMinBalance: x.least}
		e, err := cfg.entry()
		switch {
		case strings.HasPrefix(x.want, "--"):
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || e.Closed != x.closed || len(e.Allowed) != len(x.allow) || x.want != "" && e.Least.Dec() != x.want:
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
