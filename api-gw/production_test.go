package apigw

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"blindseq/api-gw/internal/fakes"
	"blindseq/kit/leader"
	"blindseq/kit/redistest"
	"blindseq/kit/testaddr"
	preblockv1 "blindseq/proto/blindseq/preblock/v1"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAStandstillIsNotedAndCostsNoGatewayItsReadiness(t *testing.T) {
	f, r := fakes.Start(t), redistest.Mini(t)
	f.View(&preblockv1.GetStatusResponse{DsnConnected: true, DsnWaiting: "preblock 9 waits for attestations: 4 of 5"})
	s, _ := run(t, cfgFor(t, r.URL, f))
	lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: f.Addr})
	until(t, "ready, and the reason", func() bool {
		code, text := readyz(t, s)
		return code == http.StatusOK && strings.Contains(text, `"notes":{"production":"preblock 9 waits for attestations: 4 of 5"}`)
	})
	for want, change := range map[string]func(){
		"monitor-svc does not answer: away":          func() { f.Fail("monitor", status.Error(codes.Unavailable, "away")) },
		"monitor-svc has no stream from the DSN":     func() { f.Fail("monitor", nil); f.View(&preblockv1.GetStatusResponse{}) },
		"halted: the DSN showed two contents for 10": func() { f.Fail("monitor", nil); f.View(halted("the DSN showed two contents for 10")) },
	} {
		change()
		until(t, want, func() bool { return s.Health.Notes()["production"] == want && ready(s)() })
	}
	f.Fail("monitor", nil)
	f.View(&preblockv1.GetStatusResponse{DsnConnected: true})
	until(t, "the reason's end", func() bool { return len(s.Health.Notes()) == 0 })
}

func TestServicesOutOfReachAreNamedWithSinceWhen(t *testing.T) {
	f, r := fakes.Start(t), redistest.Mini(t)
	cfg := cfgFor(t, r.URL, f)
	cfg.Monitor = testaddr.Next(t)
	s, _ := run(t, cfg)
	lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: f.Addr})
	until(t, "ready, and what is out of reach", func() bool {
		faults := s.Health.Notes()["faults"]
		return ready(s)() && strings.Contains(faults, "cannot reach monitor-svc") && strings.Contains(faults, ", since 20") && !strings.Contains(faults, "proposer-svc")
	})
}

func halted(why string) *preblockv1.GetStatusResponse {
	return &preblockv1.GetStatusResponse{DsnConnected: true, Halted: why}
}

func readyz(t *testing.T, s *Service) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + s.OpsAddr() + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
