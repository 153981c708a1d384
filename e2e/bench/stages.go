package bench

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"blindseq/e2e/cluster"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// stage is a part of a sealed transaction's way, as the metrics of the processes show it.
type stage struct {
	what      string
	processes []string
	metric    string // a histogram of seconds
	label     string // name=value of the one series meant; empty when there is but one
}

// stagesOfASealedTransaction are in the order of the way. Some run at the same time.
func stagesOfASealedTransaction() []stage {
	var holders []string
	for i := range keyholders {
		holders = append(holders, cluster.Keyholder(i))
	}
	const rounds, section = "blindseq_dsn_round_seconds", "blindseq_producer_section_step_seconds"
	producer, sequencer := []string{cluster.Producer}, []string{cluster.DSN}
	return []stage{
		{"check at the RPC, per batch", producer, "blindseq_producer_sealed_check_seconds", ""},
		{"proposal until it is stored", []string{cluster.Proposer}, "blindseq_proposer_submit_seconds", ""},
		{"checked by the sequencer", sequencer, rounds, "phase=check"},
		{"checked by a keyholder", holders, "blindseq_keyholder_step_seconds", "step=check"},
		{"attestations of a quorum", sequencer, rounds, "phase=attest"},
		{"locks of a quorum", sequencer, rounds, "phase=lock"},
		{"shares made by a keyholder", holders, "blindseq_keyholder_step_seconds", "step=shares"},
		{"locks to enough shares", sequencer, rounds, "phase=shares"},
		{"combined, opened and sealed again", sequencer, rounds, "phase=combine"},
		{"all of the round", sequencer, rounds, "phase=open"},
		{"preblock checked by the monitor", []string{cluster.Monitor}, "blindseq_monitor_check_seconds", ""},
		{"preblock awaited by the producer", producer, section, "step=await"},
		{"blueprint logged", producer, section, "step=append"},
		{"block executed", producer, section, "step=apply"},
	}
}

// sum is of a histogram.
type sum struct {
	count   uint64
	seconds float64
}

// stages reads the sums of all stages up to now.
func (b *run) stages(ctx context.Context) ([]sum, error) {
	families := map[string]map[string]*dto.MetricFamily{}
	for _, name := range b.c.Processes() {
		if name == cluster.Redis {
			continue
		}
		var err error
		if families[name], err = scrape(ctx, "http://"+b.c.Ops(name)+"/metrics"); err != nil {
			return nil, fmt.Errorf("read metrics of %s: %w", name, err)
		}
	}
	var out []sum
	for _, s := range stagesOfASealedTransaction() {
		var total sum
		for _, name := range s.processes {
			family, ok := families[name][s.metric]
			if !ok {
				return nil, fmt.Errorf("read metrics of %s: there is no %s", name, s.metric)
			}
			for _, m := range family.GetMetric() {
				if s.label == "" || slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName()+"="+l.GetValue() == s.label }) {
					total.count += m.GetHistogram().GetSampleCount()
					total.seconds += m.GetHistogram().GetSampleSum()
				}
			}
		}
		out = append(out, total)
	}
	return out, nil
}

func scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(resp.Body)
}

// reportStages writes where the time went.
func (b *run) reportStages(before, after []sum) {
	fmt.Fprintln(b.out, "\nWhere the time of that run goes; stages overlap, and the round contains those of the sequencer before it:")
	fmt.Fprintf(b.out, "  %-42s %6s %10s %10s %12s\n", "", "times", "all", "each", "µs/tx")
	for i, s := range stagesOfASealedTransaction() {
		n := after[i].count - before[i].count
		all := after[i].seconds - before[i].seconds
		if len(s.processes) > 1 { // a mean of them, as they work at the same time
			n, all = n/uint64(len(s.processes)), all/float64(len(s.processes))
		}
		if n == 0 {
			continue
		}
		took := time.Duration(all * float64(time.Second))
		fmt.Fprintf(b.out, "  %-42s %6d %10s %10s %12.0f\n", s.what, n, took.Round(time.Millisecond),
			(took / time.Duration(n)).Round(10*time.Microsecond), 1e6*all/float64(b.Sealed))
	}
}
