package committeetest

import (
	"fmt"
	"testing"
)

// ForExample makes a committee as New does, for a runnable example, which has no testing.TB. It panics where New would fail
// the test.
func ForExample(keyholders, threshold int, first uint64) *Committee {
	return New(panics{}, keyholders, threshold, first)
}

// panics is the part of testing.TB that a Committee uses.
type panics struct{ testing.TB }

func (panics) Helper()           {}
func (panics) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
