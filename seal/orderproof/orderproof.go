// Package orderproof shows to anyone with the committee's file where a transaction, plain or sealed, stands in the order: the list
// that was ordered, and the keyholders' certificate over it.
//
// It guarantees: a Proof that Verify accepts names the one place of that hash in the content that a quorum of the committee
// attested for that number. Nothing of who made the proof has to be believed.
package orderproof

import (
	"errors"
	"fmt"

	"blindseq/kit/content"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var (
	// ErrNotOrdered says that the preblock does not hold the hash at the place.
	ErrNotOrdered = errors.New("it is not in the list at this place")
	// ErrUncertified says that the preblock has no certificate.
	ErrUncertified = errors.New("the list is not certified: the order has no keyholders")
)

// Proof is where the transaction of a hash stands.
type Proof struct {
	Hash                common.Hash     `json:"hash"` // keccak256 of Transactions[Position]
	Number              hexutil.Uint64  `json:"number"`
	Position            hexutil.Uint64  `json:"position"`
	PreviousBlockHash   common.Hash     `json:"previousBlockHash"`
	Timestamp           hexutil.Uint64  `json:"timestamp"`
	DelayedTransactions []common.Hash   `json:"delayedTransactions"`
	Transactions        []hexutil.Bytes `json:"transactions"` // as they were ordered, sealed ones unopened
	ListHash            common.Hash     `json:"listHash"`     // content hash (Go package blindseq/kit/content)
	ChainID             hexutil.Uint64  `json:"chainId"`
	CommitteeHash       common.Hash     `json:"committeeHash"`
	PreviousPayloadHash common.Hash     `json:"previousPayloadHash"`
	BaseFee             hexutil.Uint64  `json:"baseFeePerGas"`
	View                hexutil.Uint64  `json:"view"`
	Attestations        []Attestation   `json:"attestations"`
	Locks               []Attestation   `json:"locks"`
}

// Attestation is a keyholder's signature over the statement, an attestation or a lock (Go package blindseq/seal/attest).
type Attestation struct {
	Authority hexutil.Uint64 `json:"authority"`
	Signature hexutil.Bytes  `json:"signature"`
}

// Of makes the proof of what stands at a place of a preblock. It verifies nothing.
func Of(p *preblockv1.Preblock, position int) (*Proof, error) {
	c, cert := p.GetContent(), p.GetCertificate()
	switch {
	case cert == nil:
		return nil, fmt.Errorf("prove order in preblock %d: %w", c.GetNumber(), ErrUncertified)
	case position < 0 || position >= len(c.GetTransactions()):
		return nil, fmt.Errorf("prove order in preblock %d: %w: %d of %d", c.GetNumber(), ErrNotOrdered, position, len(c.GetTransactions()))
	}
	out := &Proof{
		Hash: crypto.Keccak256Hash(c.GetTransactions()[position]), Number: hexutil.Uint64(c.GetNumber()), Position: hexutil.Uint64(position),
		PreviousBlockHash: common.BytesToHash(c.GetPreviousBlockHash()), Timestamp: hexutil.Uint64(c.GetTimestamp().GetSeconds()),
		DelayedTransactions: []common.Hash{}, ListHash: common.BytesToHash(p.GetContentHash()), ChainID: hexutil.Uint64(cert.GetChainId()),
		CommitteeHash: common.BytesToHash(cert.GetCommitteeHash()), PreviousPayloadHash: common.BytesToHash(cert.GetPreviousPayloadHash()),
		BaseFee: hexutil.Uint64(c.GetBaseFee()), View: hexutil.Uint64(cert.GetView()),
		Attestations: written(cert.GetAttestations()), Locks: written(cert.GetLocks()),
	}
	for _, h := range c.GetDelayedTransactionHashes() {
		out.DelayedTransactions = append(out.DelayedTransactions, common.BytesToHash(h))
	}
	for _, tx := range c.GetTransactions() {
		out.Transactions = append(out.Transactions, tx)
	}
	return out, nil
}

func written(list []*preblockv1.Attestation) []Attestation {
	out := make([]Attestation, len(list))
	for i, a := range list {
		out[i] = Attestation{Authority: hexutil.Uint64(a.GetAuthority()), Signature: a.GetSignature()}
	}
	return out
}

// Verify checks a proof against the committee.
func (p *Proof) Verify(c *committee.Committee) error {
	if uint64(p.Position) >= uint64(len(p.Transactions)) || crypto.Keccak256Hash(p.Transactions[p.Position]) != p.Hash {
		return fmt.Errorf("verify order of %s: %w", p.Hash, ErrNotOrdered)
	}
	preblock, err := p.preblock()
	if err != nil {
		return fmt.Errorf("verify order of %s: %w", p.Hash, err)
	}
	if _, err := attest.VerifyPreblock(c, preblock); err != nil {
		return fmt.Errorf("verify order of %s: %w", p.Hash, err)
	}
	return nil
}

// VerifyCertificate checks the certificate and the locks of a proof whose list was left out: what they make final has ListHash. Where
// in it a transaction stands, only the list shows.
func (p *Proof) VerifyCertificate(c *committee.Committee) error {
	cert, err := p.certificate()
	if err != nil {
		return fmt.Errorf("verify certificate of number %d: %w", uint64(p.Number), err)
	}
	_, err = attest.VerifyFinal(c, cert)
	return err
}

func (p *Proof) preblock() (*preblockv1.Preblock, error) {
	c := &preblockv1.Content{
		Number: uint64(p.Number), PreviousBlockHash: p.PreviousBlockHash[:], Timestamp: &timestamppb.Timestamp{Seconds: int64(p.Timestamp)},
		BaseFee: uint64(p.BaseFee),
	}
	for _, h := range p.DelayedTransactions {
		c.DelayedTransactionHashes = append(c.DelayedTransactionHashes, h[:])
	}
	for _, tx := range p.Transactions {
		c.Transactions = append(c.Transactions, tx)
	}
	if err := content.Check(c); err != nil {
		return nil, err
	}
	if hash := common.Hash(content.HashOf(c)); hash != p.ListHash {
		return nil, fmt.Errorf("%w: the list's hash is %s, not %s as it says", ErrNotOrdered, hash, p.ListHash)
	}
	cert, err := p.certificate()
	if err != nil {
		return nil, err
	}
	return &preblockv1.Preblock{Content: c, ContentHash: p.ListHash[:], Certificate: cert}, nil
}

func (p *Proof) certificate() (_ *preblockv1.Certificate, err error) {
	cert := &preblockv1.Certificate{
		ChainId: uint64(p.ChainID), CommitteeHash: p.CommitteeHash[:], Number: uint64(p.Number), View: uint64(p.View),
		PreviousPayloadHash: p.PreviousPayloadHash[:], ContentHash: p.ListHash[:],
	}
	if cert.Attestations, err = signatures(p.Attestations); err != nil {
		return nil, err
	}
	cert.Locks, err = signatures(p.Locks)
	return cert, err
}

func signatures(list []Attestation) ([]*preblockv1.Attestation, error) {
	out := make([]*preblockv1.Attestation, len(list))
	for i, a := range list {
		if a.Authority > 255 {
			return nil, fmt.Errorf("%w: authority %d", attest.ErrCertificate, a.Authority)
		}
		out[i] = &preblockv1.Attestation{Authority: uint32(a.Authority), Signature: a.Signature}
	}
	return out, nil
}
