package producer

import (
	"context"
	"math/big"

	"blindseq/kit/requestid"
	"blindseq/kit/service"
	"blindseq/producer-svc/internal/chain"
	"blindseq/producer-svc/internal/demand"
	"blindseq/producer-svc/internal/devrpc"
	"blindseq/producer-svc/internal/rpc"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"github.com/ethereum/go-ethereum/crypto"
	gethrpc "github.com/ethereum/go-ethereum/rpc"
)

// development are the methods that development tools expect.
func (s *Service) development(node *rpc.Server) ([]gethrpc.API, error) {
	return devrpc.APIs(devrpc.Deps{
		ChainID: new(big.Int).SetUint64(s.disk.Chain.ChainID()), Version: "blindseq/" + service.Version,
		Instance: crypto.Keccak256Hash([]byte(requestid.New())),
		Head: func() devrpc.Head {
			head := s.engine.Head()
			return devrpc.Head{Number: head.Number, Hash: head.Hash, Time: head.Time}
		},
		Produce: s.produceNow, Pacer: s.pacer, Clock: s.cfg.Clock, Client: node.Client(),
		Submit: s.intake.Submit, Await: node.AwaitReceipt,
	})
}

// produceNow makes a block as a call of ProduceBlock does, or says why there is none.
func (s *Service) produceNow(ctx context.Context) (preblockv1.NoPreblockReason, error) {
	r, err := s.production.Callers.Produce(ctx, demand.Request{ID: requestid.New(), WithDelayed: true})
	return r.Reason, err
}

// IsDevelopment reports whether a genesis file funds the development accounts, so that Config.Development can be set. Without a file
// it is the development genesis.
func IsDevelopment(genesisFile string) (bool, error) {
	if genesisFile == "" {
		return true, nil
	}
	genesis, err := chain.ReadGenesis(genesisFile)
	if err != nil {
		return false, err
	}
	return chain.CheckNoDevAccounts(genesis) != nil, nil
}
