package devrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"blindseq/producer-svc/internal/loop"

	"github.com/ethereum/go-ethereum/common"
)

// mostBlocks is how many blocks one call makes: each goes through proposal and preblock, which takes some
// milliseconds, and the gateway waits 30 s for an answer.
const mostBlocks = 500

// mining is what the namespaces evm, hardhat and anvil have in common.
type mining struct{ Deps }

// evm is the namespace of that name, tool is hardhat and anvil. Their parameters of mine differ.
type (
	evm  struct{ *mining }
	tool struct{ *mining }
)

// at is the optional parameter of evm_mine.
type at struct {
	Blocks    *quantity `json:"blocks"`
	Timestamp *quantity `json:"timestamp"`
}

// Mine is evm_mine: one block, or so many, the first with a timestamp if one is given.
func (m *evm) Mine(ctx context.Context, raw *json.RawMessage) (string, error) {
	var a at
	if raw != nil && json.Unmarshal(*raw, &a) != nil {
		a.Timestamp = new(quantity)
		if err := json.Unmarshal(*raw, a.Timestamp); err != nil {
			return "", invalid("evm_mine: its parameter is a timestamp, or an object with timestamp and blocks: %v", err)
		}
	}
	if a.Timestamp != nil {
		if err := m.next(uint64(*a.Timestamp)); err != nil {
			return "", err
		}
	}
	return "0x0", m.mine(ctx, a.Blocks.or(1), 0)
}

// Mine is hardhat_mine and anvil_mine: so many blocks, with so many seconds between their timestamps.
func (m *tool) Mine(ctx context.Context, blocks, interval *quantity) (bool, error) {
	return true, m.mine(ctx, blocks.or(1), interval.or(1))
}

func (m *mining) mine(ctx context.Context, blocks, interval uint64) error {
	if blocks > mostBlocks {
		return invalid("mine %d blocks: one call makes at most %d, because each is ordered and signed like any other", blocks, mostBlocks)
	}
	for i := range blocks {
		if i > 0 && interval > 0 {
			if err := m.next(uint64(m.Head().Time) + interval); err != nil {
				return err
			}
		}
		reason, err := m.Produce(ctx)
		if err != nil {
			return fmt.Errorf("mine block %d of %d: %w", i+1, blocks, err)
		}
		if reason != 0 {
			return fmt.Errorf("mine block %d of %d: none was made: %s", i+1, blocks, reason)
		}
	}
	return nil
}

// SetAutomine says whether a block is made at once for transactions.
func (m *mining) SetAutomine(on bool) bool {
	m.Pacer.Change(func(p *loop.Pace) { p.Transactions = on })
	return true
}

// GetAutomine says whether a block is made at once for transactions.
func (m *mining) GetAutomine() bool { return m.Pacer.Pace().Transactions }

// SetIntervalMining sets how many milliseconds old the last block gets before another is made; 0 for any age.
func (m *mining) SetIntervalMining(milliseconds quantity) (bool, error) {
	if milliseconds > math.MaxInt64/quantity(time.Millisecond) {
		return false, invalid("an interval of %d ms is too long", milliseconds)
	}
	m.Pacer.Change(func(p *loop.Pace) { p.Between = time.Duration(milliseconds) * time.Millisecond })
	return true, nil
}

// GetIntervalMining is the interval in seconds; 0 for none.
func (m *mining) GetIntervalMining() uint64 { return uint64(m.Pacer.Pace().Between / time.Second) }

// IncreaseTime moves the clock of the whole system on by so many seconds. It returns by how many seconds it is then ahead of the
// machine's.
func (m *mining) IncreaseTime(seconds quantity) (int64, error) {
	if seconds > math.MaxInt64/quantity(time.Second) {
		return 0, invalid("increase the time by %d s: too far", seconds)
	}
	if err := m.Clock.Forward(time.Duration(seconds) * time.Second); err != nil {
		return 0, invalid("increase the time by %d s: %v", seconds, err)
	}
	return int64(m.Clock.Ahead() / time.Second), nil
}

// SetNextBlockTimestamp gives the next block its timestamp. The clock of the whole system runs on from there.
func (m *mining) SetNextBlockTimestamp(timestamp quantity) (common.Hash, error) {
	return common.Hash{}, m.next(uint64(timestamp))
}

func (m *mining) next(timestamp uint64) error {
	head := m.Head()
	if timestamp < uint64(head.Time) {
		return invalid("timestamp %d is before that of block %d, which is %d: timestamps never decrease", timestamp, head.Number, head.Time)
	}
	if timestamp > math.MaxInt64 {
		return invalid("timestamp %d is too far", timestamp)
	}
	if err := m.Clock.StandAt(time.Unix(int64(timestamp), 0)); err != nil {
		return invalid("set the next block's timestamp to %d: %v", timestamp, err)
	}
	return nil
}

// metadata is the answer of hardhat_metadata.
type metadata struct {
	ClientVersion     string      `json:"clientVersion"`
	ChainID           uint64      `json:"chainId"`
	InstanceID        common.Hash `json:"instanceId"`
	LatestBlockNumber uint64      `json:"latestBlockNumber"`
	LatestBlockHash   common.Hash `json:"latestBlockHash"`
}

// Metadata is hardhat_metadata.
func (m *mining) Metadata() metadata {
	head := m.Head()
	return metadata{m.version(), m.ChainID.Uint64(), m.Instance, head.Number, common.Hash(head.Hash)}
}

// version is what tools take a node by. Hardhat's network helpers ask no node for blocks or time whose version does not begin with
// the name of one that they know.
func (m *mining) version() string { return "anvil-compatible/" + m.Version }

// web3 is the namespace of that name.
type web3 struct{ m *mining } // not embedded: its methods are none of web3

// ClientVersion is web3_clientVersion.
func (w web3) ClientVersion() string { return w.m.version() }
