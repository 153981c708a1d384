package devnet

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is a row of the import rules. Folders are relative to the root of the tree; "x/..." is x and everything below it.
type allowed struct {
	by, of []string
	inTest bool // only in the importer's tests
	why    string
}

// importRules say which imports cross from one room of the tree to another: everything that has no row here is
// forbidden. A room is a module of the workspace; dsn-node, one program with several commands, has a room for each.
// CONTRIBUTING.md explains them.
var importRules = []allowed{
	{by: []string{"kit/..."}, of: []string{"proto/..."}, why: "what all services share knows the contracts and nothing else of ours"},
	{by: []string{"seal/..."}, of: []string{"kit/...", "proto/..."}, why: "sealed transactions need no service, so that verifiers can import seal alone"},
	{by: []string{"api-gw/...", "dsn-node/...", "monitor-svc/...", "producer-svc/...", "proposer-svc/..."},
		of:  []string{"kit/...", "proto/..."},
		why: "services call each other by the contracts; they share kit"},
	{by: []string{"api-gw/...", "dsn-node/...", "monitor-svc/...", "producer-svc/..."}, of: []string{"seal/..."}, why: "they verify, open, keep or show sealed transactions"},

	{by: []string{"dsn-node/..."}, of: []string{"dsn-node/internal/..."}, why: "dsn-node/internal is what several rooms of dsn-node share"},
	{by: []string{"dsn-node/cmd/..."},
		of:  []string{"dsn-node/bundler", "dsn-node/dkg", "dsn-node/keyholder", "dsn-node/sequencer", "dsn-node/offline/..."},
		why: "the program has a command for each room"},
	{by: []string{"dsn-node/cmd/...", "dsn-node/keyholder/...", "dsn-node/sequencer/..."}, of: []string{"dsn-node/offline/keygen"}, inTest: true,
		why: "their tests make the keys of a committee"},
	{by: []string{"dsn-node/cmd/..."}, of: []string{"dsn-node/bundler/rolluptest"}, inTest: true, why: "its tests start a bundler"},
	{by: []string{"dsn-node/sequencer"}, of: []string{"dsn-node/keyholder"}, inTest: true, why: "its tests run a committee of real keyholders"},

	{by: []string{"devnet/..."}, of: []string{"kit/...", "proto/..."}, why: "devnet starts programs as kit/host does"},
	{by: []string{"devnet"},
		of: []string{"api-gw", "dsn-node/bundler", "dsn-node/keyholder", "dsn-node/sequencer", "monitor-svc", "producer-svc", "proposer-svc",
			"dsn-node/offline/keygen", "producer-svc/devaccounts"},
		why: "devnet runs all programs in one process, with new keys and funded accounts"},
	{by: []string{"devnet"}, of: []string{"dsn-node/dkg", "dsn-node/offline/inspect"}, inTest: true, why: "its tests write the reference of all flags"},

	{by: []string{"e2e/..."}, of: []string{"kit/...", "proto/...", "seal/..."}, why: "tests with several programs use the contracts as they do"},
	{by: []string{"e2e/sim"},
		of: []string{"dsn-node/keyholder/vote", "dsn-node/sequencer/order", "dsn-node/sequencer/round", "monitor-svc/merge",
			"producer-svc/blueprint", "producer-svc/contents", "producer-svc/logrecord", "producer-svc/section", "proposer-svc/queue/...", "proposer-svc/term"},
		why: "the simulator runs the pure state machines of the services, and nothing of them that does I/O"},
	{by: []string{"e2e/..."}, of: []string{"dsn-node/offline/keygen"}, why: "clusters of real programs need keys"},
	{by: []string{"e2e"}, of: []string{"dsn-node/sequencer/origintest", "producer-svc/rollupnodetest"}, inTest: true, why: "stand-ins of the rollup's node and of the DSN's origin"},
	{by: []string{"e2e", "e2e/abuse", "e2e/attacks", "e2e/k8s", "e2e/oneprocess", "e2e/suites"}, of: []string{"producer-svc/devaccounts"}, inTest: true, why: "transactions are signed by the funded accounts"},
	{by: []string{"e2e/demo", "e2e/steady"}, of: []string{"producer-svc/devaccounts"}, why: "the people of the demo, and who sends a steady load, are the devnet's funded accounts"},
	{by: []string{"e2e/longchain"}, of: []string{"producer-svc/chainmaker", "producer-svc/devaccounts"}, why: "a chain of a million blocks is made without services, of transfers of funded accounts"},
	{by: []string{"e2e/k8s"}, of: []string{"k8s/render", "k8s/crds"}, inTest: true, why: "the deployed manifests are the rendered ones, of the same kinds"},
	{by: []string{"images"}, of: []string{"kit/sbom"}, why: "an image has the bill of materials that its program prints"},
	{by: []string{"k8s/secrets"}, of: []string{"dsn-node/offline/keygen"}, why: "the secrets of a new deployment include the committee's keys"},
}

// covers reports whether a folder is one of the patterns.
func covers(patterns []string, folder string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		below, all := strings.CutSuffix(pattern, "/...")
		return folder == below || all && strings.HasPrefix(folder, below+"/")
	})
}

// roomOf returns the part of the tree whose packages may import each other.
func roomOf(folder string) string {
	parts := strings.SplitN(folder, "/", 3)
	if parts[0] == "dsn-node" && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// forTests reports whether a package is named as one that only tests may use.
func forTests(folder string) bool {
	name := filepath.Base(folder)
	return name == "fakes" || strings.HasSuffix(name, "test") && name != "attest"
}

// use is one import of a package of ours.
type use struct {
	file   string
	by, of string // folders
}

func (u use) inTest() bool { return strings.HasSuffix(u.file, "_test.go") }

// usesOf finds the imports of our packages, and the packages that import "testing" outside their tests.
func usesOf(t *testing.T, root string) (uses []use, helpers map[string]bool) {
	t.Helper()
	helpers = map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || path == filepath.Join(root, "bin")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		u := use{file: filepath.ToSlash(name), by: filepath.ToSlash(filepath.Dir(name))}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if imported == "testing" && !u.inTest() {
				helpers[u.by] = true
			}
			if of, ours := strings.CutPrefix(imported, "blindseq/"); ours {
				u.of = of
				uses = append(uses, u)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return uses, helpers
}

// broken returns what the imports break, a sentence for each, and marks what of importRules permits one.
func broken(uses []use, helpers map[string]bool, used map[string]bool) (sentences []string) {
	helper := func(folder string) bool { return helpers[folder] || forTests(folder) }
	for _, u := range uses {
		if helper(u.of) && !u.inTest() && !helper(u.by) && roomOf(u.by) != "e2e" {
			sentences = append(sentences, fmt.Sprintf("%s imports %s, which is for tests only: import it in a _test.go file", u.file, u.of))
		}
		if roomOf(u.by) == roomOf(u.of) {
			continue
		}
		permitted := false
		for i, row := range importRules {
			if covers(row.by, u.by) && covers(row.of, u.of) && (u.inTest() || !row.inTest) {
				permitted = true
				for _, folder := range append(slices.Clone(row.by), row.of...) {
					used[fmt.Sprint(i, folder)] = used[fmt.Sprint(i, folder)] || covers([]string{folder}, u.by) || covers([]string{folder}, u.of)
				}
			}
		}
		if !permitted {
			sentences = append(sentences, fmt.Sprintf("%s imports %s: no row of importRules (devnet/imports_test.go) lets %s import it. "+
				"Call it by its contract, move what both need to kit or seal, or add a row with a reason", u.file, u.of, u.by))
		}
	}
	return sentences
}

// TestImportRules keeps the arrows between the rooms of the tree.
func TestImportRules(t *testing.T) {
	uses, helpers := usesOf(t, "..")
	used := map[string]bool{}
	for _, sentence := range broken(uses, helpers, used) {
		t.Error(sentence)
	}
	for i, row := range importRules {
		for _, folder := range append(slices.Clone(row.by), row.of...) {
			if !used[fmt.Sprint(i, folder)] {
				t.Errorf("importRules: no import needs %s in the row of %v and %v any more: delete it (%s)", folder, row.by, row.of, row.why)
			}
		}
	}
}

func TestImportRulesNameWhatBreaksThem(t *testing.T) {
	for _, u := range []use{
		{"producer-svc/service.go", "producer-svc", "monitor-svc/merge"},
		{"proposer-svc/queue/queue.go", "proposer-svc/queue", "seal"},
		{"monitor-svc/internal/proof/proof.go", "monitor-svc/internal/proof", "dsn-node/sequencer/order"},
		{"seal/seal.go", "seal", "dsn-node/sequencer/order"},
		{"kit/host/host.go", "kit/host", "seal"},
		{"proto/blindseq/dsn/v1/x.go", "proto/blindseq/dsn/v1", "kit/content"},
		{"dsn-node/sequencer/service.go", "dsn-node/sequencer", "dsn-node/keyholder"},
		{"e2e/load/load.go", "e2e/load", "producer-svc/section"},
		{"monitor-svc/service.go", "monitor-svc", "kit/redistest"},
		{"kit/lock/lock.go", "kit/lock", "kit/testaddr"},
		{"producer-svc/service.go", "producer-svc", "producer-svc/internal/fakes"},
	} {
		sentences := broken([]use{u}, map[string]bool{"kit/testaddr": true}, map[string]bool{})
		if len(sentences) != 1 || !strings.Contains(sentences[0], u.file) || !strings.Contains(sentences[0], u.of) {
			t.Errorf("%s imports %s: %q, want one sentence that names both", u.file, u.of, sentences)
		}
	}
}
