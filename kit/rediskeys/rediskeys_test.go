package rediskeys_test

import (
	"errors"
	"strings"
	"testing"

	"blindseq/kit/rediskeys"
)

func TestNoKeyOrChannelIsThatOfAnotherDeploymentOrDatabase(t *testing.T) {
	seen := map[string]string{}
	for _, deployment := range []string{"a", "a-b", "chain-1", "chain-11"} {
		for _, database := range []int{0, 1, 11} {
			n, err := rediskeys.New(deployment, database)
			if err != nil {
				t.Fatal(err)
			}
			for _, channel := range []string{
				n.LockEvents("l"), n.ProposerEvents(), n.MonitorEvents(), n.ProbeEvents(),
			} {
				if other, taken := seen[channel]; taken {
					t.Errorf("%s is a channel of %s and of %s", channel, other, deployment)
				}
				seen[channel] = deployment
			}
			for _, key := range []string{
				n.LockLease("l"), n.LockToken("l"), n.Roster("l"), n.ProposerState(), n.ProposerFIFO(), n.ProposerRequests(),
				n.ProposerRecent(), n.ProposerProcessed(), n.ProposerProcessedOlder(), n.EndingRequest(),
				n.MonitorNoPreblocks(), n.MonitorNoPreblocksOlder(), n.MonitorConflict(1), n.Probe(), n.GatewayBody("k"),
			} {
				if !strings.HasPrefix(key, "blindseq:"+deployment+":") {
					t.Errorf("%s does not name the deployment %s", key, deployment)
				}
			}
		}
	}
}

func TestADeploymentsNameCannotImitateAnother(t *testing.T) {
	for _, bad := range []string{"", "a:b", "a{b}", "-a", "a b", "ä", strings.Repeat("a", 64)} {
		if _, err := rediskeys.New(bad, 0); !errors.Is(err, rediskeys.ErrDeployment) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := rediskeys.New(strings.Repeat("a", 63), 0); err != nil {
		t.Error(err)
	}
}

func TestTheDefaultNameIsOfOneChain(t *testing.T) {
	for name, ok := range map[string]bool{"chain-7": true, "prod": true, "chain-1337": false, "chain-x": false} {
		if err := rediskeys.CheckChain(name, 7); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
