package abuse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"blindseq/e2e/history"
	"blindseq/e2e/load"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// honest is a wallet that sends one transfer after the other and waits for the receipt of each.
type honest struct {
	http    *http.Transport
	client  *ethclient.Client
	account *load.Account
	sealer  *load.Sealer // nil: plain
	r       *history.Recorder
	times   []time.Duration // from sending to having the receipt
	late    int             // transfers of which there was no receipt in time
}

// betweenTransfers is how long an honest wallet waits before its next transfer.
const betweenTransfers = 50 * time.Millisecond

// receiptTimeout is when an honest wallet stops waiting: the time counts as this long.
const receiptTimeout = 10 * time.Second

func newHonest(t *testing.T, url string, by *committee.Committee, a *load.Account, r *history.Recorder) *honest {
	t.Helper()
	transport := &http.Transport{}
	conn, err := rpc.DialOptions(t.Context(), url, rpc.WithHTTPClient(&http.Client{Transport: transport}),
		rpc.WithHeader("X-Forwarded-For", "198.51.100."+a.Address.Big().Text(10)[:2]))
	must(t, err)
	client := ethclient.NewClient(conn)
	t.Cleanup(client.Close)
	h := &honest{http: transport, client: client, account: a, r: r}
	if by != nil {
		head, err := client.BlockNumber(t.Context())
		must(t, err)
		h.sealer = load.NewSealer(by, a, head)
	}
	return h
}

// run transfers until ctx ends and keeps the times. The last transfer is waited for.
func (h *honest) run(ctx context.Context, t *testing.T) {
	h.times, h.late = nil, 0
	for ctx.Err() == nil {
		took, err := h.transfer(t.Context())
		if err != nil {
			t.Errorf("transfer of %s: %v", h.account.Address, err)
			return
		}
		if h.times = append(h.times, took); took >= receiptTimeout {
			h.late++
		}
		sleep(ctx, betweenTransfers)
	}
}

// transfer connects anew, as a wallet that begins.
func (h *honest) transfer(ctx context.Context) (time.Duration, error) {
	h.http.CloseIdleConnections()
	tx, err := h.account.Transfer(h.account.Address)
	if err != nil {
		return 0, err
	}
	raw, id, err := h.encode(tx)
	if err != nil {
		return 0, err
	}
	began, sent := time.Now(), h.r.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := h.send(ctx, raw); err != nil {
		return 0, fmt.Errorf("send, %s: %w", time.Since(began), err)
	}
	ack := history.Ack{Tx: id, Sealed: h.sealer != nil, By: h.account.Address.Hex(), Sent: sent, At: h.r.Now()}
	h.r.Add(func(all *history.History) { all.Acks = append(all.Acks, ack) })
	if err := h.receipt(ctx, tx.Hash()); err != nil {
		return 0, fmt.Errorf("no receipt, %s: %w", time.Since(began), err)
	}
	return time.Since(began), nil
}

func (h *honest) encode(tx *types.Transaction) (raw []byte, id common.Hash, err error) {
	if h.sealer == nil {
		raw, err = tx.MarshalBinary()
		return raw, tx.Hash(), err
	}
	sealed, err := h.sealer.Seal(tx)
	if err != nil {
		return nil, id, err
	}
	return sealed.Encode(), common.Hash(sealed.ID()), nil
}

// send tries again as wallets do, however it is refused, until ctx ends.
func (h *honest) send(ctx context.Context, raw []byte) error {
	for {
		err := h.client.Client().CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(raw))
		if err == nil {
			return nil
		}
		if sleep(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return err
		}
	}
}

func (h *honest) receipt(ctx context.Context, tx common.Hash) error {
	for {
		_, err := h.client.TransactionReceipt(ctx, tx)
		if err == nil {
			return nil
		}
		pause := 2 * time.Millisecond
		if !errors.Is(err, ethereum.NotFound) {
			pause = 20 * time.Millisecond
		}
		if sleep(ctx, pause); ctx.Err() != nil {
			return err
		}
	}
}
