package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// enough is how many schedules a defect may take to be seen.
const enough = 5000

// TestEveryDefectIsFound puts each defect into the world and looks for it: a checker, or a schedule, that cannot see one
// is worth nothing.
func TestEveryDefectIsFound(t *testing.T) {
	all := Bugs()
	lines, found := make([]string, len(all)), 0
	var mu sync.Mutex
	t.Run("all", func(t *testing.T) {
		for i, b := range all {
			t.Run(b.String(), func(t *testing.T) {
				t.Parallel()
				r, took, ok := Find(b, enough)
				broken := strings.Join(slices.Sorted(maps.Keys(r.Broken())), " ")
				mu.Lock()
				defer mu.Unlock()
				if lines[i] = fmt.Sprintf("%-80s %-20s %4d schedules", b, broken, took); ok {
					found++
				} else {
					t.Errorf("not seen in %d schedules; the last one broke %q, it must break one of %v", took, broken, b.Breaks())
				}
			})
		}
	})
	t.Logf("%d of %d found\n%s", found, len(all), strings.Join(lines, "\n"))
	if len(all) < 30 {
		t.Errorf("%d defects, at least 30 are wanted", len(all))
	}
}
