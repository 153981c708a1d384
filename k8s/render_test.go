// Package k8s checks the manifests of this folder: every combination of them is rendered, and must keep the rules.
package k8s

import (
	"fmt"
	"testing"

	"blindseq/k8s/render"
)

func TestEveryCombination(t *testing.T) {
	there := made(t)
	for _, c := range render.Combinations(".") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := rendered(t, c)
			for rule, check := range rules(there) {
				t.Run(rule, func(t *testing.T) { check(t, o) })
			}
		})
	}
}

// rules are what everything that is deployed is held to. there are the files that exist.
func rules(there files) map[string]func(*testing.T, *render.Objects) {
	return map[string]func(*testing.T, *render.Objects){
		"every pod keeps to the restricted standard":                   everyPodKeepsToTheRestrictedStandard,
		"every container has probes of its own ports and limits":       everyContainerHasProbesOfItsOwnPortsAndLimits,
		"images are pinned and ours":                                   imagesArePinnedAndOurs,
		"every variable is a flag of the program that gets it":         everyVariableIsAFlagOfTheProgramThatGetsIt,
		"every reference in a variable is to one before":               everyReferenceInAVariableIsToOneBefore,
		"every address is one of a service":                            everyAddressIsOneOfAService,
		"every address stays when pods are replaced":                   everyAddressStays,
		"every file a program is told of is mounted from what is made": there.everyFileIsMountedFromWhatIsMade,
		"no secret is in a manifest":                                   noSecretIsInAManifest,
		"services find pods and their ports":                           servicesFindPodsAndTheirPorts,
		"budgets, scalers and ingresses are of what there is":          budgetsScalersAndIngressesAreOfWhatThereIs,
		"routes lead to ports":                                         routesLeadToPorts,
		"certificates are what pods mount":                             certificatesAreWhatPodsMount,
		"secrets from a store are what pods mount":                     there.secretsFromAStoreAreWhatPodsMount,
		"clients behind an ingress are told apart":                     clientsBehindAnIngressAreToldApart,
		"every policy is of some pod":                                  everyPolicyIsOfSomePod,
		"policies name every needed flow and no other":                 policiesNameEveryNeededFlowAndNoOther,
	}
}

func rendered(t *testing.T, c render.Combination) *render.Objects {
	t.Helper()
	text, err := c.YAML(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o, err := render.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Workloads) == 0 {
		t.Fatal("it has no workload")
	}
	return o
}

// report fails the test with every problem.
func report(t *testing.T, who string, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Errorf("%s: %s", who, p)
	}
}

// list collects problems.
type list []string

func (l *list) unless(ok bool, format string, args ...any) {
	if !ok {
		*l = append(*l, fmt.Sprintf(format, args...))
	}
}
