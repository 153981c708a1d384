package budget

import (
	"cmp"
	"slices"
	"strings"

	"blindseq/kit/jsonrpc"
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

// of is what a call costs: the most that any of its names does, and at least one unit.
func (c costs) of(call jsonrpc.Call) int {
	units := 1
	for _, name := range call.Methods {
		units = max(units, c.named(name))
	}
	return units
}

func (c costs) named(method string) int {
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
