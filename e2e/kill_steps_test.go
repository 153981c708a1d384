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
	behind               // a keyholder does that starts after the others have decided something without it
	emptied              // a keyholder does that starts without its disk
	leaving              // a keyholder does that an operator has leave the view of a number
)

// steps is a list that is being written.
type steps []step

func (s *steps) add(process string, w way, names ...string) {
	for _, name := range names {
		*s = append(*s, step{process, name, w})
	}
}

// plainSteps are the steps that need neither keyholders nor bundler.
func plainSteps() []step {
	var all steps
	all.add(cluster.Producer, underLoad, "transactionPooled", "transactionWritten", "transactionSynced", "transactionForgetting",
		"sectionLocked", "sectionRequested", "sectionDelivered", "sectionAppending", "walAppending", "walWritten", "walSynced",
		"sectionAppended", "blockExecuted", "blockWritten", "stateCommitted", "headMoved", "sectionApplied", "sectionPublished",
		"sectionNotifying", "sectionNotified", "sectionReleasing", "sectionReleased", "chainFlushing", "chainFlushed")
	all.add(cluster.Producer, starting, "walSettling", "blueprintReplaying", "blueprintsReplayed", "leaseTaken", "producerCaughtUp")
	all.add(cluster.Producer, stopping, "chainClosing")
	all.add(cluster.Proposer, underLoad, "requestEnqueuing", "requestEnqueued", "proposalRecording", "proposalRecorded",
		"proposalSubmitted", "processedRecording", "processedRecorded")
	all.add(cluster.Proposer, declining, "requestDeclining", "noticeAnnouncing", "noticeAnnounced")
	all.add(cluster.Proposer, starting, "leaseTaken")
	all.add(cluster.Proposer, retrying, "retryRecorded")
	all.add(cluster.Monitor, underLoad, "preblockReceived", "preblockDelivered")
	all.add(cluster.Monitor, declining, "noticeRecording", "noticeRecorded")
	all.add(cluster.DSN, underLoad, "proposalStoring", "walAppending", "walWritten", "walSynced", "proposalStored", "preblockFixed",
		"preblockPublishing", "preblockPublished")
	all.add(cluster.DSN, starting, "walSettling")
	all.add(cluster.Gateway, underLoad, "produceForwarding", "produceAnswering", "callForwarding", "callAnswering")
	return all
}

// sealedSteps are the steps of keyholders and bundler, and what the sequencer does otherwise when there are keyholders.
func sealedSteps() []step {
	var all steps
	keyholder := cluster.Keyholder(1)
	all.add(keyholder, underLoad, "attestationSigned", "walAppending", "walWritten", "walSynced", "attestationStored",
		"lockStoring", "lockStored", "sharesMaking", "sharesReleasing")
	all.add(keyholder, starting, "walSettling")
	all.add(cluster.DSN, underLoad, "proposalStored", "certificateMade", "contentFinal", "preblockDeciding", "walAppending", "walWritten", "walSynced", "preblockFixed",
		"preblockPublished")
	all.add(cluster.DSN, starting, "walSettling")
	all.add(cluster.Bundler, underLoad, "sealedStoring", "sealedStored", "sealedForwarded", "sealedRemoving",
		"queueStoring", "queueStored")
	return all
}

// followingSteps are those of a keyholder that the others can do without.
func followingSteps() []step {
	var all steps
	keyholder := cluster.Keyholder(1)
	all.add(keyholder, behind, "adoptionStoring", "adoptionStored")
	all.add(keyholder, emptied, "restoreStoring", "restoreStored")
	all.add(keyholder, leaving, "viewLeaving", "viewLeft")
	return all
}

// failingSteps are those at which nothing is killed: an error is returned there, or the clock is wrong.
func failingSteps() []string { return []string{chainFlushFails, clockAhead} }

// checkSteps fails the test when a step of the source is in no list here: it would never be killed at.
func checkSteps(t *testing.T, source []string) {
	t.Helper()
	known := failingSteps()
	for _, s := range slices.Concat(plainSteps(), sealedSteps(), followingSteps()) {
		known = append(known, s.name)
	}
	for _, name := range source {
		if !slices.Contains(known, name) {
			t.Errorf("step %s is in the source, and no test stops there", name)
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
	t.Parallel()
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
