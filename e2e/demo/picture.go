package demo

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"
)

//go:embed picture.svg.tmpl
var pictureText string

var pictureTemplate = template.Must(template.New("picture").Parse(pictureText))

// The bars of the picture: where they begin in their lane, the length of the longest, and that of nothing.
const (
	barsBegin   = 24
	longestBar  = 280
	shortestBar = 2
)

// laneFigures are what the picture says of a lane.
type laneFigures struct {
	Lost, Gained       string // as text
	LostBar, GainedBar float64
	Seen               string
}

// LostEnd and GainedEnd are where the bars' figures stand.
func (f laneFigures) LostEnd() float64   { return barsBegin + f.LostBar + 8 }
func (f laneFigures) GainedEnd() float64 { return barsBegin + f.GainedBar + 8 }

// Picture draws the figures of a run, as SVG.
func Picture(rounds []Round) ([]byte, error) {
	plain, sealed := TotalsOf(rounds, Plain), TotalsOf(rounds, Sealed)
	longestLoss, longestGain := max(plain.lostShare(), sealed.lostShare(), 0.01), max(whole(plain), whole(sealed), 1)
	of := func(t Totals) laneFigures {
		return laneFigures{
			Lost: fmt.Sprintf("%.2f %%", t.lostShare()), LostBar: shortestBar + longestBar*max(t.lostShare(), 0)/longestLoss,
			Gained: tokens(t.Gained, 0), GainedBar: shortestBar + longestBar*max(whole(t), 0)/longestGain,
			Seen: fmt.Sprintf("%d of %d", t.SeenPending, t.Rounds),
		}
	}
	var out bytes.Buffer
	err := pictureTemplate.Execute(&out, map[string]any{
		"Rounds": plain.Rounds, "Paid": tokens(plain.Paid, 0), "Plain": of(plain), "Sealed": of(sealed),
	})
	if err != nil {
		return nil, fmt.Errorf("draw the picture: %w", err)
	}
	return out.Bytes(), nil
}

// whole is what the bot gained, in tokens.
func whole(t Totals) float64 {
	gained, _ := t.Gained.Float64()
	return gained / 1e18
}
