package rpc_test

import (
	"bytes"
	"regexp"
	"testing"

	"blindseq/producer-svc/internal/rpc"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rlp"
)

// A block, its header, transactions and receipts can be had in the chain's encoding.
func TestBlocksAreServedInTheirEncoding(t *testing.T) {
	s := serve(t, rpc.Limits{})
	client := s.dial("http", "/")
	tx := transfer(t, 0, 0)
	must(t, ethclient.NewClient(client).SendTransaction(t.Context(), tx))
	s.awaitPending(tx.Hash())
	made := s.block()
	var header, block, transaction hexutil.Bytes
	var receipts []hexutil.Bytes
	must(t, client.Call(&header, "debug_getRawHeader", "0x1"))
	must(t, client.Call(&block, "debug_getRawBlock", "latest"))
	must(t, client.Call(&receipts, "debug_getRawReceipts", "0x1"))
	must(t, client.Call(&transaction, "debug_getRawTransaction", tx.Hash()))
	var decoded types.Block
	must(t, rlp.DecodeBytes(block, &decoded))
	equal(t, "hash", decoded.Hash(), made.Hash)
	own, err := rlp.EncodeToBytes(decoded.Header())
	must(t, err)
	equal(t, "header", bytes.Equal(own, header), true)
	want, err := tx.MarshalBinary()
	must(t, err)
	equal(t, "transaction", bytes.Equal(want, transaction), true)
	var receipt types.Receipt
	must(t, receipt.UnmarshalBinary(receipts[0]))
	equal(t, "receipts", len(receipts), 1)
	equal(t, "status", receipt.Status, types.ReceiptStatusSuccessful)
}

func TestTheClientsVersionHasTheFormOfOthers(t *testing.T) {
	var version string
	must(t, serve(t, rpc.Limits{}).dial("http", "/").Call(&version, "web3_clientVersion"))
	if !regexp.MustCompile(`^blindseq/[^/]+/\w+-\w+/go1\.[^/]+$`).MatchString(version) {
		t.Errorf("got %q", version)
	}
}
