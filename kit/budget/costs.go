package budget

import (
	"cmp"
	"slices"
	"strings"
)

// costs are the compute units of methods.
type costs struct {
	exact    map[string]int
	prefixes []prefix // the longest first
}

type prefix struct {
	of    string
	units int
}

func newCosts(table map[string]int) costs {
	c := costs{exact: map[string]int{}}
	for method, units := range table {
		if of, is := strings.CutSuffix(method, "*"); is {
			c.prefixes = append(c.prefixes, prefix{of, units})
		} else {
			c.exact[method] = units
		}
	}
	slices.SortFunc(c.prefixes, func(a, b prefix) int { return cmp.Compare(len(b.of), len(a.of)) })
	return c
}

func (c costs) of(method string) int {
	if units, known := c.exact[method]; known {
		return units
	}
	for _, p := range c.prefixes {
		if strings.HasPrefix(method, p.of) {
			return p.units
		}
	}
	return 1
}
