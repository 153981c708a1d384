package lock

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestLine plays scripts: "+a" a normal Waiter joins, "+A" a priority Waiter, "-a" leaves, "~a" yields. After each step
// comes whose turn it is (. for nobody) and, after "!", who was displaced.
func TestLine(t *testing.T) {
	for name, script := range map[string]string{
		"first come first served":              "+a:a +b:a +c:a -a:b -b:c -c:.",
		"priority goes before normal":          "+a:a +b:a +P:a!a -a:P -P:b -b:.",
		"first come first served in the class": "+P:P +Q:P +a:P +R:P -P:Q -Q:R -R:a",
		"priority does not displace priority":  "+P:P +Q:P ~P:P -P:Q",
		"the displaced keeps its place":        "+a:a +b:a +P:a!a ~a:P -P:a -a:b",
		"yield to one who has left":            "+a:a +P:a!a -P:a ~a:a -a:.",
		"leaving the line":                     "+a:a +b:a +c:a +P:a!a -b:a -P:a -a:c -c:.",
		"leaving twice":                        "+a:a +b:a -a:b -a:b -b:. -b:.",
	} {
		t.Run(name, func(t *testing.T) {
			var l Line
			known := map[string]*Waiter{}
			nameOf := func(w *Waiter) string {
				for n, o := range known {
					if o == w {
						return n
					}
				}
				return "."
			}
			for step := range strings.FieldsSeq(script) {
				do, want, _ := strings.Cut(step, ":")
				who := do[1:]
				if known[who] == nil {
					known[who] = NewWaiter(who == strings.ToUpper(who))
				}
				w := known[who]
				var e Effects
				switch do[0] {
				case '+':
					e = l.Join(w)
				case '-':
					e = l.Leave(w)
				case '~':
					e = l.Yield(w)
				}
				got := nameOf(l.turn)
				if e.Displaced != nil {
					got += "!" + nameOf(e.Displaced)
				}
				if got != want {
					t.Fatalf("after %s: %s, want %s", do, got, want)
				}
			}
		})
	}
}

// TestLineTellsEveryNewTurn drives the line with random steps: whoever gets the turn is told so exactly then, nobody is
// lost, and the turn is never free while somebody waits.
func TestLineTellsEveryNewTurn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var l Line
	var in []*Waiter
	for i := range 20000 {
		before := l.turn
		var e Effects
		switch n := rng.IntN(5); {
		case n < 2 && len(in) < 12:
			w := NewWaiter(rng.IntN(3) == 0)
			in = append(in, w)
			e = l.Join(w)
		case n == 2 && l.turn != nil:
			e = l.Yield(l.turn)
		case len(in) > 0:
			k := rng.IntN(len(in))
			e = l.Leave(in[k])
			in = slices.Delete(in, k, k+1)
		}
		if l.turn != before && e.Granted != l.turn {
			t.Fatalf("step %d: the turn changed and its owner was not told", i)
		}
		if e.Granted != nil && e.Granted != l.turn {
			t.Fatalf("step %d: told one whose turn it is not", i)
		}
		inLine := len(l.priority) + len(l.normal)
		if l.turn != nil {
			inLine++
		} else if inLine > 0 {
			t.Fatalf("step %d: %d wait and nobody has the turn", i, inLine)
		}
		if inLine != len(in) {
			t.Fatalf("step %d: %d in the line, want %d", i, inLine, len(in))
		}
	}
}
