package gateway

import (
	"encoding/hex"
	"strings"

	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	proposalv1 "blindseq/proto/blindseq/proposal/v1"

	"golang.org/x/crypto/sha3"
)

// hexBytes is the public form of bytes. Nothing there stays nothing, rather than becoming "0x".
func hexBytes(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return "0x" + hex.EncodeToString(b)
}

func hexList(list [][]byte) []string {
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = hexBytes(b)
	}
	return out
}

func blueprint(b *blueprintv1.Blueprint) *gatewayv1.Blueprint {
	out := &gatewayv1.Blueprint{
		Number:     b.GetNumber(),
		ParentHash: hexBytes(b.GetParentHash()), BlockHash: hexBytes(b.GetBlockHash()),
		Timestamp: b.GetTimestamp(), Chunks: hexList(b.GetChunks()), RequestId: b.GetRequestId(),
		TransactionHashes: hashes(b.GetTransactions()), BaseFee: b.GetBaseFee(),
	}
	for _, d := range b.GetDelayedTransactions() {
		out.DelayedTransactionHashes = append(out.DelayedTransactionHashes, hexBytes(d.GetHash()))
	}
	for _, s := range b.GetSkipped() {
		out.Skipped = append(out.Skipped, &gatewayv1.SkippedTransaction{
			Hash: hexBytes(s.GetHash()), Reason: s.GetReason(), BarredUntil: s.GetBarredUntil(),
		})
	}
	var executed [][]byte
	for _, one := range b.GetExecuted() {
		executed = append(executed, one.GetRaw())
	}
	out.ExecutedHashes = hashes(executed)
	return out
}

// hashes are the transactions' hashes: Keccak-256 of their raw bytes.
func hashes(raws [][]byte) []string {
	out := make([]string, len(raws))
	h := sha3.NewLegacyKeccak256()
	for i, raw := range raws {
		h.Reset()
		h.Write(raw)
		out[i] = hexBytes(h.Sum(nil))
	}
	return out
}

func preblock(p *preblockv1.Preblock) *gatewayv1.Preblock {
	c := p.GetContent()
	return &gatewayv1.Preblock{
		Number: c.GetNumber(), PreviousBlockHash: hexBytes(c.GetPreviousBlockHash()), Timestamp: c.GetTimestamp(),
		DelayedTransactionHashes: hexList(c.GetDelayedTransactionHashes()), Transactions: hexList(c.GetTransactions()),
		ContentHash: hexBytes(p.GetContentHash()), RequestId: p.GetRequestId(), Attempt: p.GetAttempt(),
		Certificate: certificate(p.GetCertificate()), Outcomes: outcomes(p), BaseFee: c.GetBaseFee(),
	}
}

func proposal(r *proposalv1.Request) *gatewayv1.Proposal {
	return &gatewayv1.Proposal{
		RequestId: r.GetRequestId(), State: enumName(r.GetState().String(), "REQUEST_STATE_"), Timestamp: r.GetTimestamp(),
		Force: r.GetForce(), Number: r.GetNumber(), Attempt: r.GetAttempt(), ContentHash: hexBytes(r.GetContentHash()),
		NoPreblockReason: reason(r.GetNoPreblockReason()),
	}
}

// reason is the public name of a reason, empty for none.
func reason(r preblockv1.NoPreblockReason) string {
	if r == preblockv1.NoPreblockReason_NO_PREBLOCK_REASON_UNSPECIFIED {
		return ""
	}
	return enumName(r.String(), "NO_PREBLOCK_REASON_")
}

func enumName(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }
