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
	sum := 0
	for deadline := time.Now().Add(50 * time.Millisecond); time.Now().Before(deadline); {
		sum++
	}
	after, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
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
