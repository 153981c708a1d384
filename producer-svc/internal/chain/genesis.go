package chain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"

	"blindseq/producer-svc/devaccounts"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

const (
	// DevChainID is the chain id of DevGenesis, the one wallets expect of a local chain.
	DevChainID = 1337
	// DevGasLimit is the gas of a development block. A blueprint's bytes hold about 4,500 plain transfers, which is half
	// of it: transfers alone never raise the base fee, and a proposal of contract calls is not cut short by gas.
	DevGasLimit = 200_000_000
	// DevAccountEther is what each of the accounts of devaccounts has.
	DevAccountEther = 10_000

	maxGenesisBytes = 64 << 20
)

// ErrGenesis wraps what is wrong with a genesis.
var ErrGenesis = errors.New("genesis")

// ErrNoGenesis: a chain of development is asked for, never begun because a flag was forgotten.
var ErrNoGenesis = fmt.Errorf("%w: none is named: set --genesis (BLINDSEQ_GENESIS) to the chain's genesis.json, "+
	"or --dev-genesis for a development chain, whose accounts anybody can spend from", ErrGenesis)

// DevGenesis is the chain of a developer: every mainnet fork up to Osaka from the first block on, the system contracts
// they call, the accounts of devaccounts, and a base fee of 1 gwei to begin with.
func DevGenesis() (*core.Genesis, error) {
	accounts, err := devaccounts.All()
	if err != nil {
		return nil, fmt.Errorf("derive development accounts: %w", err)
	}
	genesis := core.DeveloperGenesisBlock(DevGasLimit, nil)
	genesis.Config.ChainID = big.NewInt(DevChainID)
	genesis.Config.BogotaTime = nil
	genesis.BaseFee = big.NewInt(params.GWei)
	funds := new(big.Int).Mul(big.NewInt(DevAccountEther), big.NewInt(params.Ether))
	for _, account := range accounts {
		genesis.Alloc[account.Address] = types.Account{Balance: funds}
	}
	return genesis, nil
}

// ReadGenesis reads and checks a geth genesis.json.
func ReadGenesis(path string) (*core.Genesis, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxGenesisBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%w: read %s: %w", ErrGenesis, path, err)
	}
	if len(raw) > maxGenesisBytes {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrGenesis, path, maxGenesisBytes)
	}
	genesis := new(core.Genesis)
	if err := json.Unmarshal(raw, genesis); err != nil {
		return nil, fmt.Errorf("%w: decode %s: %w", ErrGenesis, path, err)
	}
	return genesis, CheckGenesis(genesis)
}

// CheckGenesis refuses a genesis on which no block could be built, at the start and not at the first block.
func CheckGenesis(genesis *core.Genesis) error {
	config := genesis.Config
	switch {
	case config == nil || config.ChainID == nil || config.ChainID.Sign() <= 0 || !config.ChainID.IsUint64():
		return fmt.Errorf("%w: config.chainId must be a positive 64-bit number", ErrGenesis)
	case config.TerminalTotalDifficulty == nil || config.TerminalTotalDifficulty.Sign() != 0:
		return fmt.Errorf("%w: config.terminalTotalDifficulty must be 0, the chain starts after the merge", ErrGenesis)
	case genesis.Difficulty == nil || genesis.Difficulty.Sign() != 0:
		return fmt.Errorf("%w: difficulty must be 0, the chain starts after the merge", ErrGenesis)
	case !config.IsLondon(common.Big0):
		return fmt.Errorf("%w: config.londonBlock must be 0", ErrGenesis)
	case config.AmsterdamTime != nil || config.BogotaTime != nil || config.UBTTime != nil:
		return fmt.Errorf("%w: forks after Osaka are not supported", ErrGenesis)
	case genesis.GasLimit < params.MinGasLimit:
		return fmt.Errorf("%w: gasLimit %d is below %d", ErrGenesis, genesis.GasLimit, params.MinGasLimit)
	}
	if err := config.CheckConfigForkOrder(); err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	if err := checkForksFollow(config); err != nil {
		return err
	}
	return checkSystemContracts(genesis)
}

// CheckNoDevAccounts refuses a genesis that gives something to an account of devaccounts: anybody can take it.
func CheckNoDevAccounts(genesis *core.Genesis) error {
	accounts, err := devaccounts.All()
	if err != nil {
		return fmt.Errorf("derive development accounts: %w", err)
	}
	for _, account := range accounts {
		if has := genesis.Alloc[account.Address].Balance; has != nil && has.Sign() > 0 {
			return fmt.Errorf("%w: alloc funds %s, a development account whose key everybody knows: take it out, "+
				"or set --dev-genesis if this is a development chain", ErrGenesis, account.Address)
		}
	}
	return nil
}

// checkForksFollow: geth takes a fork left out for one that may be skipped, but a header cannot have the fields of a
// fork without those of the ones before.
func checkForksFollow(config *params.ChainConfig) error {
	forks := []struct {
		name string
		time *uint64
	}{{"shanghai", config.ShanghaiTime}, {"cancun", config.CancunTime}, {"prague", config.PragueTime}, {"osaka", config.OsakaTime}}
	for i := 1; i < len(forks); i++ {
		if forks[i].time != nil && forks[i-1].time == nil {
			return fmt.Errorf("%w: config.%sTime needs config.%sTime", ErrGenesis, forks[i].name, forks[i-1].name)
		}
	}
	return nil
}

// checkSystemContracts: from Prague on the end of each block calls these two, and a block cannot end without them.
func checkSystemContracts(genesis *core.Genesis) error {
	if genesis.Config.PragueTime == nil {
		return nil
	}
	for _, address := range []common.Address{params.WithdrawalQueueAddress, params.ConsolidationQueueAddress} {
		if len(genesis.Alloc[address].Code) == 0 {
			return fmt.Errorf("%w: alloc has no code for the system contract %s, which Prague calls in every block",
				ErrGenesis, address)
		}
	}
	return nil
}
