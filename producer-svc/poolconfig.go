package producer

import (
	"fmt"
	"time"

	"blindseq/producer-svc/internal/metrics"
	"blindseq/producer-svc/internal/txstore"
)

// Pool is what one account may have in the pool of plain transactions.
type Pool struct {
	AccountTransactions int           `help:"Maximum number of transactions of one account in the pool." default:"4096"`
	AccountBytes        int64         `help:"Maximum bytes of the transactions of one account in the pool." default:"4194304"`
	AccountWaiting      int           `help:"Maximum number of an account's transactions in the pool that cannot be executed: an earlier nonce is missing, or the fee cap is below the base fee." default:"64"`
	AccountWaitingBytes int64         `help:"Maximum bytes of an account's transactions in the pool that cannot be executed." default:"1048576"`
	Lifetime            time.Duration `help:"Age at which a transaction that cannot be executed leaves the pool." default:"3h"`
}

// Validate refuses limits that take nothing.
func (p Pool) Validate() error {
	for name, n := range map[string]int64{
		"account-transactions": int64(p.AccountTransactions), "account-bytes": p.AccountBytes,
		"account-waiting": int64(p.AccountWaiting), "account-waiting-bytes": p.AccountWaitingBytes,
	} {
		if n < 1 {
			return fmt.Errorf("--pool-%s must be at least 1, not %d", name, n)
		}
	}
	if p.Lifetime < time.Second {
		return fmt.Errorf("--pool-lifetime must be at least 1s, not %s", p.Lifetime)
	}
	return nil
}

func (p Pool) limits(m *metrics.Metrics) txstore.Limits {
	return txstore.Limits{
		Transactions: p.AccountTransactions, Bytes: p.AccountBytes, Waiting: p.AccountWaiting, WaitingBytes: p.AccountWaitingBytes,
		Lifetime: p.Lifetime, Refused: m.PoolRefused, Ended: m.PoolEnded,
	}
}
