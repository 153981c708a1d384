package devnet

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shown are the commands and calls of docs/operations.md: the test that runs each, as `folder: Test`, or why none does.
func shown() map[string]string {
	const (
		development = "the development of this project; it runs for longer than a test"
		cluster     = "needs a cluster: `make k8s-e2e` comes after it, and `e2e/k8s: TestEveryPodIsReady` sees what it made"
	)
	return map[string]string{
		"make test":   development,
		"make images": "`images: TestAnArchiveHasBothTags` packs as it does",
		"docker load": "needs Docker",
		"PUSH=registry.internal/blindseq make images-push": "`images: TestARegistryHasAllOfIt` pushes to a registry of its own",
		"make images-push":   "`images: TestTheSameSourceGivesTheSameDigest`",
		"docker login":       "needs Docker and a registry that asks who calls",
		"make images k8s-up": cluster, "make k8s-up": cluster, "K8S_COMPONENTS=redis-sentinel make k8s-up": cluster,
		"make k8s-e2e":      "`e2e/k8s: TestARollingUpdateOfEveryWorkloadFailsNoRequest` is one of those it runs",
		"make k8s-e2e-long": development, "make k8s-down": "needs a cluster, and ends a deployment: one line of kubectl",
		"make k8s-secrets": "`k8s: TestEveryCombination` mounts what its program makes",
		"docker build --build-arg SERVICE=api-gw -t blindseq/api-gw:dev .": "needs Docker and the network; `images: TestTheDockerfileMakesTheSameImage`",
		"docker compose build": "needs Docker and the network; `k8s: TestTheComposeFileIsOneSystemOfTheSameImages`",
		"docker exec <node> ctr -n k8s.io tasks kill -a -s KILL": "an example of what `e2e/k8s: TestKillingEveryPodOnceBreaksNothing` is given",

		"cp -r k8s/overlays/prod k8s/overlays/mine":      "`k8s: TestAnOverlayForProductionRefusesToRenderWithoutAValue` renders such a copy",
		"cp -r k8s/overlays/keyholder k8s/overlays/ours": "`k8s: TestAnOverlayForProductionRefusesToRenderWithoutAValue` renders such a copy",
		"kubectl kustomize":                              "`k8s: TestEveryCombination` renders as it does",
		"kubectl apply -k k8s/overlays/mine":             "`e2e/k8s: TestEveryCombinationPassesTheServersDryRun`",
		"K8S_OVERLAY=k8s/overlays/mine make k8s-up":      "`e2e/k8s: TestEveryCombinationPassesTheServersDryRun` has an API server take the same objects",
		"helm install chain k8s/chart --namespace chain --create-namespace --values mine.yaml --set-file genesis=genesis.json": "`k8s: TestTheValuesOfThePageInstall`",
		"blindseq-secrets --prefix chain-":                           "`k8s: TestASecretThatIsMadeForAReleaseIsTheOneItMounts`",
		"kubectl -n blindseq scale deployment/api-gw --replicas 3":   "`e2e/k8s: TestScalingUpAndDownUnderLoadFailsNoRequestAndSpreadsTheWork`",
		"kubectl delete node":                                        "needs a cluster with several nodes",
		"kubectl edit pvc":                                           "needs a storage class that lets a volume grow",
		"kubectl -n blindseq port-forward pod/producer-svc-0 7203 &": "needs a cluster: a port forwarded is a caller on the pod's own machine",
		"curl -X POST localhost:7203/v1/admin/handover":              "`kit/leader: TestAHandoverNeedsALeaderAndAnother`",
		"curl -X PUT -d debug localhost:7203/loglevel":               "`kit/ops: TestTheLevelOfTheLogChangesWhileAProgramRuns`",

		"dsn-node dkg":      "`dsn-node/cmd/dsn-node: TestFourProcessesMakeAKeyThatWorks`",
		"dsn-node identity": "`dsn-node/cmd/dsn-node: TestFourProcessesMakeAKeyThatWorks`",
		"dsn-node inspect":  "`dsn-node/cmd/dsn-node: TestInspectTellsByItsExitCodeWhetherAnOrderProofHolds`",
		"dsn-node submitter --identity-file F --instance bundler-0,bundler-1":       "`dsn-node/bundler: TestInstancesHaveSubmittersOfTheirOwn` makes the addresses that it prints",
		"dsn-node change-view --committee-file committee.json --keyholders A,B,C,D": "`dsn-node/cmd/dsn-node: TestTwoSequencersSplitKeyholdersAndAnOperatorEndsIt`",
		"dsn-node take-back --data-dir DIR --to NEW --number N":                     "`e2e: TestANumberFixedWronglyWithoutKeyholdersIsTakenBack`",
		"dsn-node bundler --rollup-key-file":                                        "names a flag",
		"redis-cli --scan --pattern 'blindseq:OLD:*' | xargs redis-cli del":         "clears what an old name left in a Redis; nothing reads it any more",

		"curl …/v1/status":     "`api-gw: TestStatusAnswersSoonThoughPartsAreDead`",
		"GET /v1/preblocks/N":  "`api-gw/internal/rest: TestEveryRouteOfTheOpenAPIDocumentAnswersAndEveryAnswerIsDescribed`",
		"POST /v1/pool/drop":   "`api-gw/internal/gateway: TestTransactionsAreDroppedByHashAndSender`",
		"POST /v1/pool/lock":   "`api-gw: TestRESTAndPrivateNeedTheTokenForWhatChangesSomething`",
		"POST /v1/pool/unlock": "`api-gw: TestRESTAndPrivateNeedTheTokenForWhatChangesSomething`",
	}
}

var (
	fence       = regexp.MustCompile("(?s)```.*?```")
	inBackticks = regexp.MustCompile("`([^`]+)`")
	command     = regexp.MustCompile(`^(?:[A-Z0-9_]+=\S+ make|kubectl|make|helm|curl|docker|dsn-node|redis-cli|cp|blindseq-secrets|GET|POST) \S`)
)

// TestEveryCommandOfTheOperationsPageIsShownOrSaysWhyNot: a command that is added has to be shown by a test, or to have a reason in the
// list. Targets of make have to exist.
func TestEveryCommandOfTheOperationsPageIsShownOrSaysWhyNot(t *testing.T) {
	page := fence.ReplaceAllString(readPage(t, "../docs/operations.md"), "")
	targets, left := readPage(t, "../Makefile"), shown()
	found := map[string]bool{}
	for _, q := range inBackticks.FindAllStringSubmatch(page, -1) {
		if one := strings.Join(strings.Fields(q[1]), " "); command.MatchString(one) {
			found[one] = true
		}
	}
	for _, one := range slices.Sorted(maps.Keys(found)) {
		reason, ok := left[one]
		if !ok {
			t.Errorf("no test is named for %q, and no reason why there is none", one)
		}
		for _, r := range reference.FindAllStringSubmatch(reason, -1) {
			if !testsUnder(t, "../"+r[1])[r[2]] {
				t.Errorf("%q: there is no test %s under %s", one, r[2], r[1])
			}
		}
		if strings.Count(reason, ": Test") != len(reference.FindAllString(reason, -1)) {
			t.Errorf("%q names a test in another form than `folder: Test`", one)
		}
		if _, goals, ok := strings.Cut(one, "make "); ok {
			for goal := range strings.FieldsSeq(goals) {
				if !strings.Contains(targets, "\n"+goal+":") {
					t.Errorf("%q: there is no target %s", one, goal)
				}
			}
		}
		delete(left, one)
	}
	for one := range left {
		t.Errorf("the page has no command %q", one)
	}
	if len(found) < 30 {
		t.Errorf("only %d commands were found", len(found))
	}
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
