package roles_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"blindseq/kit/roles"

	_ "blindseq/proto/blindseq/blueprint/v1"
	_ "blindseq/proto/blindseq/bundler/v1"
	_ "blindseq/proto/blindseq/dkg/v1"
	_ "blindseq/proto/blindseq/dsn/v1"
	_ "blindseq/proto/blindseq/gateway/v1"
	_ "blindseq/proto/blindseq/keyholder/v1"
	_ "blindseq/proto/blindseq/preblock/v1"
	_ "blindseq/proto/blindseq/proposal/v1"
	_ "blindseq/proto/blindseq/replication/v1"

	_ "google.golang.org/grpc/health/grpc_health_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1"
	_ "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// contracts are all methods of the contracts, as gRPC names them.
func contracts() map[string]bool {
	methods := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				methods[fmt.Sprintf("/%s/%s", service.FullName(), service.Methods().Get(j).Name())] = true
			}
		}
		return true
	})
	return methods
}

// The contracts are the folders of proto/: one that this test does not import would be missed.
func TestTheTestKnowsEveryContract(t *testing.T) {
	folders, err := os.ReadDir("../../proto/blindseq")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		found := false
		protoregistry.GlobalFiles.RangeFilesByPackage(protoreflect.FullName("blindseq."+folder.Name()+".v1"), func(protoreflect.FileDescriptor) bool {
			found = true
			return false
		})
		if !found {
			t.Errorf("blindseq.%s.v1 is not imported here", folder.Name())
		}
	}
}

func TestTheTableNamesEveryRPCAndNoOther(t *testing.T) {
	methods := contracts()
	for method := range methods {
		if !slices.Contains(roles.Methods(), method) {
			t.Errorf("%s is not in the table: nobody may call it", method)
		}
	}
	for _, method := range roles.Methods() {
		if !methods[method] && !strings.HasPrefix(method, "http:") {
			t.Errorf("%s is in the table and in no contract", method)
		}
	}
	if len(methods) < 40 {
		t.Errorf("only %d methods were found", len(methods))
	}
}

func TestWhatIsNotNamedIsNotAllowed(t *testing.T) {
	for _, role := range append(roles.All(), roles.None) {
		if roles.May(role, "/blindseq.keyholder.v1.KeyholderService/GiveAway") {
			t.Errorf("%s may call a method that the table does not name", role)
		}
	}
	for _, method := range roles.Methods() {
		if roles.May(roles.None, method) {
			t.Errorf("a certificate of no role may call %s", method)
		}
	}
	if !roles.May(roles.Local, roles.ProducerRPC) {
		t.Error("a caller on this machine may not call")
	}
}

func TestTheRoleFollowsFromTheCommonName(t *testing.T) {
	for name, want := range map[string]roles.Role{
		"api-gw": roles.Gateway, "bundler": roles.Bundler, "monitor-svc": roles.Monitor, "producer-observer": roles.Observer,
		"producer-svc": roles.Producer, "proposer-svc": roles.Proposer, "sequencer": roles.Sequencer,
		"keyholder": roles.Keyholder, "keyholder-3": roles.Keyholder, "operator": roles.Operator, "operator-jane": roles.Operator,
		"client-indexer": roles.Client, "": roles.None, "keyholder-": roles.None, "sequencer-2": roles.None, "producer-svc.evil": roles.None,
		"local": roles.None, "Sequencer": roles.None, "blindseq": roles.None,
	} {
		if got := roles.Of(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

// docs/security.md shows the table, a row for the methods of a service that the same roles may call. -v prints it.
func TestTheTableIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[[2]string][]string{}
	for _, method := range slices.Sorted(slices.Values(roles.Methods())) {
		var who []string
		for _, role := range roles.All() {
			if roles.May(role, method) {
				who = append(who, string(role))
			}
		}
		if len(who) == len(roles.All()) {
			who = []string{"every role"}
		}
		service, name := short(method)
		row := [2]string{service, strings.Join(who, ", ")}
		rows[row] = append(rows[row], "`"+name+"`")
	}
	order := slices.SortedFunc(maps.Keys(rows), func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	for _, row := range order {
		text := fmt.Sprintf("| %s | %s | %s |", row[0], strings.Join(rows[row], " "), row[1])
		t.Log(text)
		if !strings.Contains(string(page), text+"\n") {
			t.Errorf("docs/security.md has no row %s", text)
		}
	}
}

// short is the name of a service, and of its method.
func short(method string) (service, name string) {
	service, name, _ = strings.Cut(strings.TrimPrefix(method, "/"), "/")
	switch method {
	case roles.ProducerFeed:
		return "a producer's HTTP", "feed of blueprints"
	case roles.ProducerRPC:
		return "a producer's HTTP", "JSON-RPC"
	case roles.SequencerOrigin:
		return "the sequencer's HTTP", "the origin's protocol"
	}
	if rest, ours := strings.CutPrefix(service, "blindseq."); ours {
		service = rest[strings.LastIndex(rest, ".")+1:]
	}
	return service, name
}
