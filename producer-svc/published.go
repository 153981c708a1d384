package producer

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"path/filepath"

	"blindseq/producer-svc/internal/audit"
	"blindseq/producer-svc/internal/rpc"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// followsAnother says whether another replica is known to lead.
func (s *Service) followsAnother() bool {
	who, _ := s.candidate.ToFollow()
	return who != ""
}

// differs raises the alarm about a blueprint of the leader that does not follow from the preblocks.
func (s *Service) differs(f audit.Finding, chunks [][]byte) {
	s.metrics.Differs()
	file, err := audit.Keep(filepath.Join(s.cfg.DataDir, "evidence"), s.sequencerKey(), f, chunks)
	published, own := f.Hashes()
	s.Log.Error("published blueprint does not follow from its preblock", "number", f.Number, "signed", f.Signed,
		"published_hash", fmt.Sprintf("0x%x", published), "own_hash", fmt.Sprintf("0x%x", own), "evidence", cmp.Or(file, fmt.Sprint(err)))
}

// checkBlueprint is te_checkBlueprint.
func (s *Service) checkBlueprint(chunks [][]byte, key []byte) (rpc.BlueprintCheck, error) {
	by := ed25519.PublicKey(key)
	if len(by) == 0 {
		by = s.sequencerKey()
	}
	f, err := audit.Check(by, chunks, s.builder.Unsigned)
	if err != nil {
		return rpc.BlueprintCheck{}, err
	}
	answer := rpc.BlueprintCheck{Number: hexutil.Uint64(f.Number), Follows: f.Follows(), Signed: f.Signed}
	published, own := f.Hashes()
	answer.PublishedHash, answer.OwnHash = published, own
	return answer, nil
}
