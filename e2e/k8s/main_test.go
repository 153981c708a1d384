// Package k8s drives what `make k8s-up` deployed, on the cluster of the current kubeconfig. The tests leave it as they
// found it: with the replicas it had and all pods ready.
package k8s

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"testing"
	"time"

	"blindseq/e2e/k8s/kube"
	"blindseq/e2e/load"
	"blindseq/e2e/rest"
	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/ethclient"
)

// patience is how long anything may take that a test waits for, on a busy machine.
const patience = 60 * time.Second

// killEnv is a command that ends a container at once, see kube.Open.
const killEnv = "BLINDSEQ_K8S_KILL"

// namespaceEnv is where it is deployed: K8S_NAMESPACE of scripts/k8s.sh.
const namespaceEnv = "BLINDSEQ_K8S_NAMESPACE"

// system is the deployment as users of it see it.
type system struct {
	*kube.Deployment
	rest   string // URL of the gateway's REST API
	rpcURL string // of its JSON-RPC
	token  string

	walletURL string            // of the bundler's JSON-RPC
	rpc       *ethclient.Client // of the gateway
	wallets   *ethclient.Client // of the bundler
	direct    bool              // reached by Services, which outlive their pods
}

func open(t *testing.T) *system {
	t.Helper()
	if os.Getenv("BLINDSEQ_K8S") != "1" {
		t.Skip("needs a cluster: `make k8s-e2e` runs it on that of the current kubeconfig")
	}
	d, err := kube.Open(t.Context(), cmp.Or(os.Getenv(namespaceEnv), "blindseq"), os.Getenv(killEnv))
	must(t, err)
	s := &system{Deployment: d, direct: true}
	t.Cleanup(func() {
		if t.Failed() {
			d.Tails(context.WithoutCancel(t.Context()), t.Output())
		}
	})
	s.token, err = d.Token(t.Context())
	must(t, err)
	s.rest = "http://" + s.reach(t, "api-gw", "rest")
	s.rpcURL = "http://" + s.reach(t, "api-gw", "rpc")
	s.rpc = eth(t, s.rpcURL)
	s.walletURL = "http://" + s.reach(t, "bundler", "rpc")
	s.wallets = eth(t, s.walletURL)
	return s
}

func (s *system) reach(t *testing.T, service, port string) string {
	t.Helper()
	address, direct, closer, err := s.Reach(t.Context(), service, port)
	must(t, err)
	t.Cleanup(func() { closer.Close() })
	s.direct = s.direct && direct
	return address
}

func eth(t *testing.T, url string) *ethclient.Client {
	t.Helper()
	client, err := ethclient.DialContext(t.Context(), url)
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

// accounts are those of the development genesis, with the nonces they have now.
func (s *system) accounts(t *testing.T) (accounts []*load.Account) {
	t.Helper()
	id, err := s.rpc.ChainID(t.Context())
	must(t, err)
	keys, err := devaccounts.All()
	must(t, err)
	for _, k := range keys {
		a := load.NewAccount(k.Key, id)
		a.Nonce, err = s.rpc.PendingNonceAt(t.Context(), a.Address)
		must(t, err)
		accounts = append(accounts, a)
	}
	return accounts
}

func (s *system) authorization() http.Header {
	return http.Header{"Authorization": {"Bearer " + s.token}}
}

// produce makes a block on demand.
func (s *system) produce(ctx context.Context) (number uint64, err error) {
	client := rest.NewVia(s.rest, http.DefaultTransport, s.authorization())
	answer, err := client.ProduceBlock(ctx, "", "")
	return answer.GetBlock().GetNumber(), err
}

// eventually polls what only polling shows from outside.
func eventually(t *testing.T, what string, look func(ctx context.Context) (done bool, err error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := look(ctx)
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s; last error: %v", what, patience, err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
