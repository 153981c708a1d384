package e2e

import (
	"os"
	"testing"
	"time"

	"blindseq/e2e/cluster"
)

// idleEnv asks for the minute of idling, which is long for a test.
const idleEnv = "BLINDSEQ_E2E_IDLE"

const mebibyte = 1 << 20

// The memory of an idle system is limited. Its CPU use is only logged, because other work on the machine affects it.
func TestIdleServicesUseLittleMemory(t *testing.T) {
	if os.Getenv(idleEnv) == "" {
		t.Skipf("takes a minute; set %s=1", idleEnv)
	}
	c := start(t, cluster.Options{})
	client, accounts := wallet(t, c)
	tx, err := accounts[0].Transfer(accounts[1].Address)
	send(t, client, tx, err)
	before, err := c.Usage()
	must(t, err)
	select {
	case <-time.After(time.Minute):
	case <-t.Context().Done():
	}
	after, err := c.Usage()
	must(t, err)
	for _, name := range cluster.Services() {
		limit := int64(100)
		if name == cluster.Producer {
			limit = 300
		}
		used := after[name].CPU - before[name].CPU
		t.Logf("%-13s %5.2f %% of a core, %4d MiB resident", name, 100*used.Seconds()/60, after[name].Resident/mebibyte)
		if after[name].Resident > limit*mebibyte {
			t.Errorf("%s has %d MiB in memory, allowed are %d", name, after[name].Resident/mebibyte, limit)
		}
	}
}
