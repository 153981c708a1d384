package usage

import (
	"os"
	"testing"
	"time"
)

func TestOwnUsageGrowsWithWork(t *testing.T) {
	before, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sum, after := 0, before
	for deadline := time.Now().Add(30 * time.Second); after.CPU <= before.CPU && time.Now().Before(deadline); {
		for range 10_000_000 { // some milliseconds, which the kernel counts in hundredths of a second
			sum++
		}
		if after, err = Of(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if after.CPU <= before.CPU || after.Resident == 0 || after.Peak < after.Resident {
		t.Fatalf("before %+v, after %d rounds %+v", before, sum, after)
	}
}

func TestAProcessThatIsGoneIsAnError(t *testing.T) {
	if _, err := Of(1 << 30); err == nil {
		t.Fatal("no error")
	}
}
