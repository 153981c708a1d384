package e2e

import (
	"debug/buildinfo"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"blindseq/e2e/cluster"
)

// step is a place in the source at which a program is killed.
type step struct {
	process, name string
	way           way
}

// way is how a process gets to a step.
type way int

const (
	underLoad way = iota // transactions and produce_block bring it there
	declining            // produce_block does while the pool is locked
	starting             // it gets there on its way from a start after a crash to serving
	stopping             // SIGTERM brings it there
	retrying             // a proposer does that was killed between recording an attempt and submitting it
)

// stepsOf are the steps of each process of a cluster without keyholders.
func stepsOf() (all []step) {
	add := func(process string, w way, names ...string) {
		for _, name := range names {
			all = append(all, step{process, name, w})
		}
	}
	add(cluster.Producer, underLoad, "transactionPooled", "transactionWritten", "transactionSynced", "transactionForgetting",
		"sectionLocked", "sectionRequested", "sectionDelivered", "sectionAppending", "walAppending", "walWritten", "walSynced",
		"sectionAppended", "blockExecuted", "blockWritten", "stateCommitted", "headMoved", "sectionApplied", "sectionPublished",
		"sectionNotifying", "sectionNotified", "sectionReleasing", "sectionReleased", "chainFlushing", "chainFlushed")
	add(cluster.Producer, starting, "walSettling", "blueprintReplaying", "blueprintsReplayed", "leaseTaken", "producerCaughtUp")
	add(cluster.Producer, stopping, "chainClosing")
	add(cluster.Proposer, underLoad, "requestEnqueuing", "requestEnqueued", "proposalRecording", "proposalRecorded",
		"proposalSubmitted", "processedRecording", "processedRecorded")
	add(cluster.Proposer, declining, "requestDeclining", "noticeAnnouncing", "noticeAnnounced")
	add(cluster.Proposer, starting, "leaseTaken")
	add(cluster.Proposer, retrying, "retryRecorded")
	add(cluster.Monitor, underLoad, "preblockReceived", "preblockDelivered")
	add(cluster.Monitor, declining, "noticeRecording", "noticeRecorded")
	add(cluster.DSN, underLoad, "proposalStoring", "walAppending", "walWritten", "walSynced", "proposalStored", "preblockFixed",
		"preblockPublishing", "preblockPublished")
	add(cluster.DSN, starting, "walSettling")
	add(cluster.Gateway, underLoad, "produceForwarding", "produceAnswering", "callForwarding", "callAnswering")
	return all
}

// encryption are the steps that need keyholders or a bundler.
func encryption() []string {
	return []string{"attestationSigned", "attestationStored", "bundleForwarded", "bundleRemoving", "bundleStored", "bundleStoring",
		"preblockDeciding", "sharesPlanning", "sharesReleasing"}
}

// checkSteps fails the test when a step of the source is in no list here: it would never be killed at.
func checkSteps(t *testing.T, source []string, all []step) {
	t.Helper()
	known := encryption()
	for _, s := range all {
		known = append(known, s.name)
	}
	for _, name := range source {
		if !slices.Contains(known, name) {
			t.Errorf("step %s is in the source, and nothing is killed there", name)
		}
	}
	for _, name := range known {
		if !slices.Contains(source, name) {
			t.Errorf("step %s is not in the source", name)
		}
	}
}

// TestOnlyTheProgramsOfTheseTestsHaveFailpoints looks into the programs as they are deployed.
func TestOnlyTheProgramsOfTheseTestsHaveFailpoints(t *testing.T) {
	bin, _ := withFailpoints(t)
	for _, name := range cluster.Services() {
		if hasFailpoints(t, filepath.Join(programs, name)) {
			t.Errorf("%s, as it is deployed, has failpoints", name)
		}
		if !hasFailpoints(t, filepath.Join(bin, name)) {
			t.Errorf("%s, as it is killed here, has none", name)
		}
	}
}

func hasFailpoints(t *testing.T, path string) bool {
	t.Helper()
	info, err := buildinfo.ReadFile(path)
	must(t, err)
	return slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return m.Path == "go.etcd.io/gofail" })
}
