package k8s

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"blindseq/k8s/render"

	"sigs.k8s.io/yaml"
)

// Labels of the two deployments that one Prometheus reads in these tests.
const (
	prod    = `namespace="prod",deployment="blindseq"`
	staging = `namespace="staging",deployment="blindseq"`
)

// situation is what Prometheus has read, in the notation of promtool ("0+1x60": from 0 on, 1 more each 5 seconds, 60 times), and
// which alerts fire then, by the labels that tell them apart. All other alerts are quiet.
type situation struct {
	name   string
	series map[string]string
	after  string
	fire   map[string][]string
}

// one is the alert of the deployment prod as a whole.
func one(alerts ...string) map[string][]string {
	out := map[string][]string{}
	for _, a := range alerts {
		out[a] = []string{prod}
	}
	return out
}

// healthy are the series of a deployment that needs nobody, with the changes given; an empty value takes a series away.
func healthy(deployment string, changes map[string]string) map[string]string {
	out := map[string]string{}
	for name, values := range map[string]string{
		`blindseq_producer_head_number{pod="producer-svc-0"}`:                                     "100+1x1000",
		`blindseq_producer_head_number{pod="producer-svc-1"}`:                                     "100+1x1000",
		`blindseq_producer_leading{pod="producer-svc-0"}`:                                         "1x1000",
		`blindseq_producer_leading{pod="producer-svc-1"}`:                                         "0x1000",
		`blindseq_producer_halted{pod="producer-svc-0"}`:                                          "0x1000",
		`blindseq_producer_unreplicated{pod="producer-svc-0"}`:                                    "0x1000",
		`blindseq_producer_acknowledged_unreplicated_total{pod="producer-svc-0"}`:                 "0x1000",
		`blindseq_producer_back_pressure{pod="producer-svc-0"}`:                                   "0x1000",
		`blindseq_producer_rollup_missing{pod="producer-svc-0"}`:                                  "3x1000",
		`blindseq_producer_standby_behind{pod="producer-svc-0"}`:                                  "2x1000",
		`blindseq_producer_behind_blocks{pod="producer-svc-1"}`:                                   "1x1000",
		`blindseq_producer_pool_locked{pod="producer-svc-0"}`:                                     "0x1000",
		`blindseq_producer_log_append_seconds_bucket{pod="producer-svc-0",le="0.01"}`:             "0+10x1000",
		`blindseq_producer_log_append_seconds_bucket{pod="producer-svc-0",le="1"}`:                "0+10x1000",
		`blindseq_producer_log_append_seconds_bucket{pod="producer-svc-0",le="+Inf"}`:             "0+10x1000",
		`blindseq_dsn_log_append_seconds_bucket{pod="sequencer-0",le="0.01"}`:                     "0+10x1000",
		`blindseq_dsn_log_append_seconds_bucket{pod="sequencer-0",le="1"}`:                        "0+10x1000",
		`blindseq_dsn_log_append_seconds_bucket{pod="sequencer-0",le="+Inf"}`:                     "0+10x1000",
		`blindseq_redis_unusable{pod="producer-svc-0",reason="address"}`:                          "0x1000",
		`blindseq_monitor_halted{pod="monitor-svc-a"}`:                                            "0x1000",
		`blindseq_monitor_dsn_connected{pod="monitor-svc-a"}`:                                     "1x1000",
		`blindseq_monitor_contradictions_total{pod="monitor-svc-a"}`:                              "0x1000",
		`blindseq_proposer_active{pod="proposer-svc-a"}`:                                          "1x1000",
		`blindseq_proposer_active{pod="proposer-svc-b"}`:                                          "0x1000",
		`blindseq_proposer_in_flight_seconds{pod="proposer-svc-a"}`:                               "0.1x1000",
		`blindseq_proposer_queued{pod="proposer-svc-a"}`:                                          "2x1000",
		`blindseq_certificate_seconds_left{pod="api-gw-a"}`:                                       "2592000x1000",
		`blindseq_refused_calls_total{pod="sequencer-0",method="Submit",role="bundler"}`:          "0x1000",
		`blindseq_dsn_keyholder_behind{pod="sequencer-0",keyholder="2"}`:                          "0x1000",
		`blindseq_leader_fault_seconds{pod="producer-svc-1"}`:                                     "0x1000",
		`blindseq_dsn_keyholder_up{pod="sequencer-0",keyholder="2"}`:                              "1x1000",
		`blindseq_dsn_keyholder_faults_total{pod="sequencer-0",keyholder="2",kind="wrong_share"}`: "0x1000",
		`blindseq_gateway_requests_total{pod="api-gw-a",status="200"}`:                            "0+100x1000",
		`blindseq_gateway_requests_total{pod="api-gw-a",status="503"}`:                            "0x1000",
		`blindseq_gateway_held_seconds_count{pod="api-gw-a",outcome="given_up"}`:                  "0x1000",
		`blindseq_bundler_oldest_pending_seconds{pod="bundler-0"}`:                                "2x1000",
		`kubelet_volume_stats_available_bytes{persistentvolumeclaim="data-producer-svc-0"}`:       "50x1000",
		`kubelet_volume_stats_capacity_bytes{persistentvolumeclaim="data-producer-svc-0"}`:        "100x1000",
	} {
		out[name] = values
	}
	for name, values := range changes {
		if _, ok := out[name]; !ok {
			panic("no series is called " + name)
		}
		if out[name] = values; values == "" {
			delete(out, name)
		}
	}
	named := map[string]string{}
	for name, values := range out {
		if strings.HasPrefix(name, "kubelet_") { // the kubelet's have no label deployment
			named[strings.TrimSuffix(name, "}")+","+strings.Split(deployment, ",")[0]+"}"] = values
			continue
		}
		named[strings.TrimSuffix(name, "}")+","+deployment+"}"] = values
	}
	return named
}

// bad is prod with the changes, beside a staging that is healthy and busy.
func bad(name, after string, fire map[string][]string, changes map[string]string) situation {
	s := situation{name: name, series: healthy(staging, nil), after: after, fire: fire}
	for series, values := range healthy(prod, changes) {
		s.series[series] = values
	}
	return s
}

type values = map[string]string

func situations() []situation {
	pod := func(name string) string { return prod + `,pod="` + name + `"` }
	return []situation{
		bad("all is well", "20m", nil, nil),
		bad("prod stands and staging moves", "20m", one("BlindseqNoBlocks"), values{
			`blindseq_producer_head_number{pod="producer-svc-0"}`: "100x1000", `blindseq_producer_head_number{pod="producer-svc-1"}`: "100x1000",
		}),
		bad("prod stood for a minute", "80s", nil, values{
			`blindseq_producer_head_number{pod="producer-svc-0"}`: "100x12 101+1x1000", `blindseq_producer_head_number{pod="producer-svc-1"}`: "100x12 101+1x1000",
		}),
		bad("all producers have gone", "10m", one("BlindseqGone", "BlindseqNoLeader"), values{
			`blindseq_producer_head_number{pod="producer-svc-0"}`: "100+1x60 stale", `blindseq_producer_head_number{pod="producer-svc-1"}`: "100+1x60 stale",
			`blindseq_producer_leading{pod="producer-svc-0"}`: "1x60 stale", `blindseq_producer_leading{pod="producer-svc-1"}`: "0x60 stale",
			`blindseq_producer_behind_blocks{pod="producer-svc-1"}`: "1x60 stale",
		}),
		bad("nobody leads in prod, staging has a leader", "5m", one("BlindseqNoLeader"), values{`blindseq_producer_leading{pod="producer-svc-0"}`: "0x1000"}),
		bad("two lead", "5m", one("BlindseqNoLeader"), values{`blindseq_producer_leading{pod="producer-svc-1"}`: "1x1000"}),
		bad("no proposer is there", "5m", one("BlindseqProposerIdle"), values{
			`blindseq_proposer_active{pod="proposer-svc-a"}`: "", `blindseq_proposer_active{pod="proposer-svc-b"}`: "",
		}),
		bad("producer halted", "1m", one("BlindseqProducerHalted"), values{`blindseq_producer_halted{pod="producer-svc-0"}`: "1x1000"}),
		bad("monitor halted", "1m", one("BlindseqMonitorHalted"), values{`blindseq_monitor_halted{pod="monitor-svc-a"}`: "1x1000"}),
		bad("Redis", "1m", map[string][]string{"BlindseqRedisUnusable": {prod + `,reason="address"`}},
			values{`blindseq_redis_unusable{pod="producer-svc-0",reason="address"}`: "1x1000"}),
		bad("too few standbys", "5m", one("BlindseqUnreplicated"), values{`blindseq_producer_unreplicated{pod="producer-svc-0"}`: "1x1000"}),
		bad("too few standbys for half a minute", "30s", nil, values{`blindseq_producer_unreplicated{pod="producer-svc-0"}`: "1x1000"}),
		bad("acknowledged alone", "5m", one("BlindseqAcknowledgedAlone"), values{`blindseq_producer_acknowledged_unreplicated_total{pod="producer-svc-0"}`: "0+1x1000"}),
		bad("back-pressure", "5m", one("BlindseqBackPressure"), values{`blindseq_producer_back_pressure{pod="producer-svc-0"}`: "1x1000"}),
		bad("back-pressure for a minute", "1m", nil, values{`blindseq_producer_back_pressure{pod="producer-svc-0"}`: "1x1000"}),
		bad("rollup behind", "10m", one("BlindseqRollupBehind"), values{`blindseq_producer_rollup_missing{pod="producer-svc-0"}`: "80x1000"}),
		bad("standby behind", "5m", one("BlindseqStandbyBehind"), values{`blindseq_producer_standby_behind{pod="producer-svc-0"}`: "5000x1000"}),
		bad("replica behind", "10m", map[string][]string{"BlindseqReplicaBehind": {pod("producer-svc-1")}},
			values{`blindseq_producer_behind_blocks{pod="producer-svc-1"}`: "500x1000"}),
		bad("a certificate ends in a day", "15m", map[string][]string{"BlindseqCertificateEnds": {pod("api-gw-a")}},
			values{`blindseq_certificate_seconds_left{pod="api-gw-a"}`: "86400-5x1000"}),
		bad("a certificate has ended", "5m", map[string][]string{"BlindseqCertificateEnded": {pod("api-gw-a")}},
			values{`blindseq_certificate_seconds_left{pod="api-gw-a"}`: "10-5x1000"}),
		bad("calls refused", "5m", map[string][]string{"BlindseqCallsRefused": {pod("sequencer-0") + `,method="Submit",role="bundler"`}},
			values{`blindseq_refused_calls_total{pod="sequencer-0",method="Submit",role="bundler"}`: "0+1x1000"}),
		bad("proposal stuck", "5m", one("BlindseqProposalStuck"), values{`blindseq_proposer_in_flight_seconds{pod="proposer-svc-a"}`: "0+5x1000"}),
		bad("queue fills", "5m", one("BlindseqQueueFills"), values{`blindseq_proposer_queued{pod="proposer-svc-a"}`: "900x1000"}),
		bad("monitor disconnected", "5m", map[string][]string{"BlindseqMonitorDisconnected": {pod("monitor-svc-a")}},
			values{`blindseq_monitor_dsn_connected{pod="monitor-svc-a"}`: "0x1000"}),
		bad("contradiction", "5m", one("BlindseqContradiction"), values{`blindseq_monitor_contradictions_total{pod="monitor-svc-a"}`: "0x10 1x1000"}),
		bad("keyholder away", "5m", map[string][]string{"BlindseqKeyholderAway": {prod + `,keyholder="2"`}},
			values{`blindseq_dsn_keyholder_up{pod="sequencer-0",keyholder="2"}`: "0x1000"}),
		bad("keyholder away for a minute", "1m", nil, values{`blindseq_dsn_keyholder_up{pod="sequencer-0",keyholder="2"}`: "0x1000"}),
		bad("keyholder behind", "10m", map[string][]string{"BlindseqKeyholderBehind": {prod + `,keyholder="2"`}},
			values{`blindseq_dsn_keyholder_behind{pod="sequencer-0",keyholder="2"}`: "2000+10x1000"}),
		bad("a far keyholder that keeps up", "10m", nil, values{`blindseq_dsn_keyholder_behind{pod="sequencer-0",keyholder="2"}`: "40x1000"}),
		bad("a standby cannot reach a service", "10m", map[string][]string{"BlindseqLeaderFault": {pod("producer-svc-1")}},
			values{`blindseq_leader_fault_seconds{pod="producer-svc-1"}`: "0+15x1000"}),
		bad("keyholder fault", "5m", map[string][]string{"BlindseqKeyholderFault": {prod + `,keyholder="2",kind="wrong_share"`}},
			values{`blindseq_dsn_keyholder_faults_total{pod="sequencer-0",keyholder="2",kind="wrong_share"}`: "0x10 1x1000"}),
		bad("gateway errors", "10m", one("BlindseqGatewayErrors"), values{`blindseq_gateway_requests_total{pod="api-gw-a",status="503"}`: "0+5x1000"}),
		bad("one gateway error of a thousand", "10m", nil, values{`blindseq_gateway_requests_total{pod="api-gw-a",status="503"}`: "0+0.1x1000"}),
		bad("held calls given up", "5m", one("BlindseqCallsGivenUp"), values{`blindseq_gateway_held_seconds_count{pod="api-gw-a",outcome="given_up"}`: "0+1x1000"}),
		bad("bundler backlog", "5m", one("BlindseqBundlerBacklog"), values{`blindseq_bundler_oldest_pending_seconds{pod="bundler-0"}`: "400x1000"}),
		bad("pool locked", "15m", one("BlindseqPoolLocked"), values{`blindseq_producer_pool_locked{pod="producer-svc-0"}`: "1x1000"}),
		bad("pool locked for 5 minutes", "5m", nil, values{`blindseq_producer_pool_locked{pod="producer-svc-0"}`: "1x1000"}),
		bad("slow disk", "15m", one("BlindseqSlowDisk"), values{`blindseq_producer_log_append_seconds_bucket{pod="producer-svc-0",le="0.01"}`: "0x1000"}),
		bad("slow disk of the sequencer", "15m", one("BlindseqSlowSequencerDisk"), values{`blindseq_dsn_log_append_seconds_bucket{pod="sequencer-0",le="0.01"}`: "0x1000"}),
		bad("volume fills", "10m", map[string][]string{"BlindseqVolumeFills": {`namespace="prod",persistentvolumeclaim="data-producer-svc-0"`}},
			values{`kubelet_volume_stats_available_bytes{persistentvolumeclaim="data-producer-svc-0"}`: "10x1000"}),
		{name: "a volume of somebody else fills", after: "10m", series: values{
			`kubelet_volume_stats_available_bytes{namespace="shop",persistentvolumeclaim="orders"}`: "10x1000",
			`kubelet_volume_stats_capacity_bytes{namespace="shop",persistentvolumeclaim="orders"}`:  "100x1000",
		}},
	}
}

// promtool's file of unit tests, so far as it is used.
type (
	unitTests struct {
		RuleFiles          []string   `json:"rule_files"`
		EvaluationInterval string     `json:"evaluation_interval"`
		Tests              []unitTest `json:"tests"`
	}
	unitTest struct {
		Name        string     `json:"name"`
		Interval    string     `json:"interval"`
		InputSeries []input    `json:"input_series"`
		ExprTests   []exprTest `json:"promql_expr_test"`
	}
	input struct {
		Series string `json:"series"`
		Values string `json:"values"`
	}
	exprTest struct {
		Expr     string   `json:"expr"`
		EvalTime string   `json:"eval_time"`
		Samples  []sample `json:"exp_samples"`
	}
	sample struct {
		Labels string  `json:"labels"`
		Value  float64 `json:"value"`
	}
)

// TestEveryAlertFiresWhenItShouldAndElseNot runs promtool's unit tests of the rules: of two deployments that one Prometheus reads,
// what is wrong with one is said of that one alone, and nothing else.
func TestEveryAlertFiresWhenItShouldAndElseNot(t *testing.T) {
	promtool := promtool(t)
	all := alerts(t, render.KeyholderOfAnother(".").WithOperator())
	severity, fires := map[string]string{}, map[string]bool{}
	for _, r := range all {
		severity[r.Alert] = r.Labels["severity"]
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rules.yaml"), map[string]any{"groups": []any{map[string]any{"name": "blindseq", "rules": all}}})
	tests := unitTests{RuleFiles: []string{"rules.yaml"}, EvaluationInterval: "5s"}
	for _, s := range situations() {
		u := unitTest{Name: s.name, Interval: "5s", ExprTests: []exprTest{{Expr: `ALERTS{alertstate="firing"}`, EvalTime: s.after}}}
		for series, values := range s.series {
			u.InputSeries = append(u.InputSeries, input{series, values})
		}
		for alert, labels := range s.fire {
			fires[alert] = true
			for _, l := range labels {
				u.ExprTests[0].Samples = append(u.ExprTests[0].Samples, sample{
					fmt.Sprintf(`ALERTS{alertname=%q,alertstate="firing",severity=%q,%s}`, alert, severity[alert], l), 1})
			}
		}
		tests.Tests = append(tests.Tests, u)
	}
	for alert := range severity {
		if !fires[alert] {
			t.Errorf("no situation has %s fire", alert)
		}
	}
	write(t, filepath.Join(dir, "tests.yaml"), tests)
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", "tests.yaml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func write(t *testing.T, path string, content any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
