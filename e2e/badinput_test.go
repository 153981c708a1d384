package e2e

import (
	"context"
	"fmt"
	"testing"

	"blindseq/e2e/cluster"
	"blindseq/e2e/rest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"google.golang.org/protobuf/proto"
)

// Every API of the running system is given input that it must refuse with a typed error that says what is wrong, and
// none of it may change anything (S13). There is a pending transaction and no block is made unasked, so that a change
// of head, pool, queue or DSN would show.
func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Args: map[string][]string{cluster.Producer: {"--time-between-blocks", "1h"}}})
	client, accounts := wallet(t, c)
	api := rest.New(c.REST, 2)
	t.Cleanup(api.Close)

	tx, err := accounts[0].Transfer(accounts[1].Address)
	send(t, client, tx, err)
	admin := blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer))
	lockPool(t, admin, true)
	waiting, err := accounts[0].Transfer(accounts[1].Address)
	must(t, err)
	must(t, client.SendTransaction(t.Context(), waiting))

	before := state(t, c, api)
	for _, inputs := range []struct {
		api string
		run func(*testing.T)
	}{
		{"JSON-RPC", func(t *testing.T) { badJSONRPC(t, c, accounts) }},
		{"WebSocket", func(t *testing.T) { badWebSocket(t, c) }},
		{"private JSON-RPC", func(t *testing.T) { badPrivate(t, c) }},
		{"REST", func(t *testing.T) { badREST(t, api) }},
		{"origin's DSN protocol", func(t *testing.T) { badOrigin(t, c) }},
		{"gRPC", func(t *testing.T) { badGRPC(t, c) }},
	} {
		t.Run(inputs.api, func(t *testing.T) {
			inputs.run(t)
			eventually(t, "the state from before", func(context.Context) (bool, error) {
				after := state(t, c, api)
				return proto.Equal(before, after), fmt.Errorf("before: %v\nafter: %v", before, after)
			})
		})
	}

	lockPool(t, admin, false)
	receipt(t, client, waiting.Hash())
}

// state is what no refused input may change: head, pool, queue, and how far the DSN is.
func state(t *testing.T, c *cluster.Cluster, api *rest.Client) *gatewayv1.GetStatusResponse {
	t.Helper()
	s, err := api.Status(t.Context())
	must(t, err)
	dsn, err := dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN)).GetStatus(t.Context(), &dsnv1.GetStatusRequest{})
	must(t, err)
	return &gatewayv1.GetStatusResponse{
		ChainId: s.GetChainId(), Head: s.GetHead(), Pool: s.GetPool(), Queue: s.GetQueue(), Halted: s.GetHalted(),
		Dsn: &gatewayv1.Dsn{Connected: true, LastPreblockNumber: dsn.GetLastNumber()},
	}
}
