package e2e

import (
	"net/http"
	"strings"
	"testing"

	"blindseq/dsn-node/sequencer/origintest"
	"blindseq/e2e/cluster"
)

func TestTheOriginsProtocolIsUnchangedOverKeyholders(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Only: []string{cluster.DSN}, Keyholders: 4, Threshold: 3})
	origintest.Conform(t, strings.TrimPrefix(c.DSNHTTP, "http://"))
	if s := sequencer(t, c); s.GetLastNumber() != 3 {
		t.Errorf("the sequencer is at %v", s)
	}
	if status, body := get(t, "http://"+c.Ops(cluster.DSN)+"/readyz"); status != http.StatusOK {
		t.Errorf("afterwards it is not ready: %s", body)
	}
	must(t, c.StopAll())
}
