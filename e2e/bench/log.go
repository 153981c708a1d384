package bench

import (
	"fmt"
	"io"
	"slices"
	"time"

	"blindseq/kit/wal"
)

// transferBytes is what a plain transfer takes in a blueprint.
const transferBytes = 118

// blueprintLog measures what writing one block to the blueprint log costs: append and fsync.
func blueprintLog(dir string, out io.Writer) error {
	log, err := wal.Open(dir, wal.Options{})
	if err != nil {
		return err
	}
	defer log.Close() // a scratch log
	fmt.Fprintln(out, "\nBlueprint log, append and fsync of one block:")
	number := uint64(0)
	for _, transfers := range []int{1, 200, 1000, 4000} {
		record := make([]byte, transfers*transferBytes+200)
		var took []time.Duration
		for range 200 {
			number++
			start := time.Now()
			if err := log.Append(number, record); err != nil {
				return err
			}
			took = append(took, time.Since(start))
		}
		fmt.Fprintf(out, "  %5d transfers: %s\n", transfers, quantiles(took))
	}
	return nil
}

// quantiles describes durations; it sorts them.
func quantiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(q float64) time.Duration {
		return d[min(len(d)-1, int(q*float64(len(d))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("median %s, p90 %s, p99 %s, worst %s", at(.5), at(.9), at(.99), at(1))
}
