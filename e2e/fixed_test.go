package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"blindseq/e2e/cluster"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	dsnv1 "blindseq/proto/blindseq/dsn/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/ethclient"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestANumberFixedWronglyWithoutKeyholdersIsTakenBack as docs/operations.md says: the sequencer's log alone decides, and no producer has
// executed its last number. What every producer has stays.
func TestANumberFixedWronglyWithoutKeyholdersIsTakenBack(t *testing.T) {
	c := start(t, cluster.Options{Replicas: []cluster.Replica{{Name: "follower", Observer: true}}})
	client, accounts := wallet(t, c)
	transferGetsReceipt(t, client, accounts[0])
	lockPool(t, blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer)), true)
	head, err := client.HeaderByNumber(t.Context(), nil)
	must(t, err)
	wrong := head.Number.Uint64() + 1
	_, err = dsnv1.NewSequencerServiceClient(c.Conn(cluster.DSN)).SubmitProposal(t.Context(), &dsnv1.SubmitProposalRequest{Content: &preblockv1.Content{
		Number: wrong, PreviousBlockHash: make([]byte, 32), Timestamp: timestamppb.New(time.Now().Truncate(time.Second)),
	}})
	must(t, err)
	eventually(t, "production to halt", func(ctx context.Context) (bool, error) {
		s, err := gatewayv1.NewGatewayServiceClient(c.Conn(cluster.Gateway)).GetStatus(ctx, &gatewayv1.GetStatusRequest{})
		return s.GetHalted() != "", errors.Join(err, errors.New("it is not halted"))
	})
	must(t, c.StopAll())
	kept := c.DataDir(cluster.DSN) + ".wrong"
	must(t, os.Rename(c.DataDir(cluster.DSN), kept))
	takeBack := func(number uint64) ([]byte, error) {
		return exec.CommandContext(t.Context(), filepath.Join(programs, cluster.DSN), "take-back", "--data-dir", kept, "--to", c.DataDir(cluster.DSN),
			"--number", strconv.FormatUint(number, 10)).CombinedOutput()
	}
	if out, err := takeBack(wrong - 1); err == nil || !strings.Contains(string(out), "only the last number") {
		t.Fatalf("a number that producers have: %v\n%s", err, out)
	}
	if out, err := takeBack(wrong); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	must(t, c.StartAll(t.Context()))
	lockPool(t, blueprintv1.NewAdminServiceClient(c.Conn(cluster.Producer)), false)
	tx, err := accounts[1].Transfer(accounts[1].Address)
	after := send(t, client, tx, err)
	follower, err := ethclient.DialContext(t.Context(), c.RPCOf("follower"))
	must(t, err)
	t.Cleanup(follower.Close)
	eventually(t, "the same block at the follower", func(ctx context.Context) (bool, error) {
		got, err := follower.HeaderByNumber(ctx, after.BlockNumber)
		if err != nil {
			return false, err
		}
		return got.Hash() == after.BlockHash, errors.New("another one")
	})
	got, err := client.HeaderByNumber(t.Context(), head.Number)
	must(t, err)
	if got.Hash() != head.Hash() {
		t.Fatalf("block %s was %s and is %s", head.Number, head.Hash(), got.Hash())
	}
}
