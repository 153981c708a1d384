package apigw

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/api-gw/internal/fakes"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/kit/leader"
	"blindseq/kit/lock"
	"blindseq/kit/redistest"
	blueprintv1 "blindseq/proto/blindseq/blueprint/v1"
	gatewayv1 "blindseq/proto/blindseq/gateway/v1"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "0123456789abcdef"

// cfgFor is a gateway's configuration for tests: free loopback ports, the fakes behind it, nothing held.
func cfgFor(t *testing.T, redisURL string, f *fakes.Services) Config {
	t.Helper()
	var cfg Config
	if err := config.Defaults(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.GRPCAddress, cfg.HTTPAddress, cfg.RESTAddress, cfg.RPCAddress = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	cfg.RedisURL, cfg.Proposer, cfg.Monitor = redisURL, f.Addr, f.Addr
	cfg.HoldTimeout = 0 // most tests want to see that something cannot be served
	return cfg
}

func withToken(t *testing.T, cfg Config) Config {
	t.Helper()
	cfg.APITokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(cfg.APITokenFile, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// run runs a gateway until the test ends, or until stop is called.
func run(t *testing.T, cfg Config) (s *Service, stop func() error) {
	t.Helper()
	s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	stop = func() error {
		cancel()
		if stopped {
			return nil
		}
		stopped = true
		return <-done
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, stop
}

// lead makes a producer with these endpoints the leader until the test ends or end is called.
func lead(t *testing.T, r redistest.Redis, e leader.Endpoint) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	l := lock.New(r.NewClient(t), lock.Options{Name: leading, TTL: 3 * time.Second, Holder: e.RPC})
	go func() {
		done <- leader.Campaign(ctx, l, e, func(ctx context.Context, _ uint64) error { <-ctx.Done(); return nil })
	}()
	ended := false
	end = func() {
		cancel()
		if !ended {
			ended = true
			<-done
		}
	}
	t.Cleanup(end)
	return end
}

// until polls for what comes by itself.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

func ready(s *Service) func() bool { return func() bool { return len(s.Health.Ready()) == 0 } }

func post(t *testing.T, url, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func TestTheWholeGatewayFollowsTheLeader(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		one, two := fakes.Start(t), fakes.Start(t)
		rpcOne, rpcTwo := fakes.StartRPC(t, "one"), fakes.StartRPC(t, "two")
		s, _ := run(t, cfgFor(t, r.URL, one))
		if why := s.Health.Ready()["producer"]; why == "" {
			t.Error("ready although no leader is known")
		}
		if code, text := post(t, "http://"+s.RPCAddr(), `{"id":5}`); code != 503 || !strings.Contains(text, `"id":5`) {
			t.Errorf("no leader: %d %s", code, text)
		}
		if code, text := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", ""); code != 503 {
			t.Errorf("no leader: %d %s", code, text)
		}

		end := lead(t, r, leader.Endpoint{GRPC: one.Addr, RPC: rpcOne.Addr()})
		until(t, "a leader", ready(s))
		if code, text := post(t, "http://"+s.RPCAddr(), `{"id":1}`); code != 200 || !strings.Contains(text, "one") {
			t.Errorf("%d %s", code, text)
		}
		if code, text := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", ""); code != 200 || !strings.Contains(text, `"number":"1"`) && !strings.Contains(text, `"number": "1"`) {
			t.Errorf("%d %s", code, text)
		}
		if code, text := post(t, "http://"+s.RPCAddr()+"/private", `{"jsonrpc":"2.0","method":"produceBlock","params":"5","id":1}`); code != 200 || !strings.Contains(text, `"0x2"`) {
			t.Errorf("%d %s", code, text)
		}
		socket, _, err := websocket.Dial(t.Context(), "ws://"+s.RPCAddr()+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer socket.CloseNow()

		end()
		lead(t, r, leader.Endpoint{GRPC: two.Addr, RPC: rpcTwo.Addr()})
		if _, _, err := socket.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
			t.Errorf("the WebSocket ended with %v", err)
		}
		if code, text := post(t, "http://"+s.RPCAddr(), `{"id":1}`); code != 200 || !strings.Contains(text, "two") {
			t.Errorf("%d %s", code, text)
		}
		until(t, "produce_block at the new leader", func() bool {
			code, _ := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", "")
			return code == 200 && len(two.Calls()) > 0
		})
	})
}

func TestThePageIsServedUnlessItIsSwitchedOff(t *testing.T) {
	f, r := fakes.Start(t), redistest.Mini(t)
	for _, args := range [][]string{nil, {"--no-page"}} {
		cfg := cfgFor(t, r.URL, f)
		var parsed Config
		if _, _, err := config.Parse("api-gw", "", &parsed, args, io.Discard); err != nil {
			t.Fatal(err)
		}
		cfg.Page = parsed.Page
		s, _ := run(t, cfg)
		status, body := get(t, "http://"+s.RESTAddr()+"/")
		if served := status == http.StatusOK && strings.Contains(body, "/page/page.js"); served != (args == nil) {
			t.Errorf("%q: %d %s", args, status, body)
		}
		if status, body := get(t, "http://"+s.RESTAddr()+"/openapi.json"); status != http.StatusOK || !strings.Contains(body, `"openapi": "3.0`) {
			t.Errorf("%q: /openapi.json: %d %s", args, status, body)
		}
		if status, body := get(t, "http://"+s.RESTAddr()+"/page/about.json"); args == nil && !strings.Contains(body, `"faucet":false`) {
			t.Errorf("%q: %d %s", args, status, body)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestMetricsNameRoutesAndNotPaths(t *testing.T) {
	f := fakes.Start(t)
	s, _ := run(t, cfgFor(t, redistest.Mini(t).URL, f))
	post(t, "http://"+s.RESTAddr()+"/v1/blueprints/17", "")
	post(t, "http://"+s.RESTAddr()+"/somewhere", "")
	post(t, "http://"+s.RPCAddr(), "{}")
	until(t, "the figures", func() bool {
		families, err := s.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, m := range families {
			fmt.Fprintln(&text, m)
		}
		for _, want := range []string{`"/v1/blueprints/{number}"`, `"405"`, `"/{$}"`, `"no_leader"`, "blindseq_gateway_requests_in_flight"} {
			if !strings.Contains(text.String(), want) {
				return false
			}
		}
		return !strings.Contains(text.String(), "somewhere")
	})
}

func TestStopAnswersTheProduceBlockThatRuns(t *testing.T) {
	r, f := redistest.Mini(t), fakes.Start(t)
	reached, release := make(chan struct{}), make(chan struct{})
	f.OnProduce(func(_ context.Context, req *blueprintv1.ProduceBlockRequest) (*blueprintv1.ProduceBlockResponse, error) {
		close(reached)
		<-release
		return &blueprintv1.ProduceBlockResponse{RequestId: req.RequestId}, nil
	})
	lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: "127.0.0.1:1"})
	s, stop := run(t, cfgFor(t, r.URL, f))
	until(t, "a leader", ready(s))
	type answer struct {
		code int
		text string
	}
	got := make(chan answer, 1)
	go func() {
		code, text := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", "", "Idempotency-Key", "last")
		got <- answer{code, text}
	}()
	<-reached
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	until(t, "closed to new calls", func() bool {
		c, err := net.Dial("tcp", s.RESTAddr())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	if a := <-got; a.code != 200 || !strings.Contains(a.text, "last") {
		t.Errorf("got %d %s", a.code, a.text)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAnAddressOthersReachNeedsATokenToStart(t *testing.T) {
	f := fakes.Start(t)
	for _, name := range []string{"rest", "rpc", "grpc"} {
		cfg := cfgFor(t, "redis://127.0.0.1:1", f)
		switch name {
		case "rest":
			cfg.RESTAddress = "0.0.0.0:0"
		case "rpc":
			cfg.RPCAddress = ":0"
		case "grpc":
			cfg.GRPCAddress = "[::]:0"
		}
		_, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "--api-token-file") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	cfg := withToken(t, cfgFor(t, "redis://127.0.0.1:1", f))
	if err := os.Chmod(cfg.APITokenFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token others can read: got %v", err)
	}
}

// open serves a gateway on addresses that others reach.
func openToOthers(t *testing.T, f *fakes.Services) *Service {
	t.Helper()
	r := redistest.Mini(t)
	lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: "127.0.0.1:1"})
	cfg := withToken(t, cfgFor(t, r.URL, f))
	cfg.GRPCAddress, cfg.RESTAddress, cfg.RPCAddress = "0.0.0.0:0", "0.0.0.0:0", "0.0.0.0:0"
	cfg.Insecure = true
	s, _ := run(t, cfg)
	until(t, "a leader", ready(s))
	return s
}

func local(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return "127.0.0.1:" + port
}

func TestRESTAndPrivateNeedTheTokenForWhatChangesSomething(t *testing.T) {
	f := fakes.Start(t)
	s := openToOthers(t, f)
	calls := map[string][2]string{
		"http://" + local(s.RESTAddr()) + "/v1/produce_block":        {"", `"block"`},
		"http://" + local(s.RESTAddr()) + "/v1/pool/lock":            {"{}", "{}"},
		"http://" + local(s.RESTAddr()) + "/v1/pool/unlock":          {"{}", "{}"},
		"http://" + local(s.RESTAddr()) + "/v1/delayed_transactions": {`{"raw":"0x01"}`, `"hash"`},
		"http://" + local(s.RPCAddr()) + "/private":                  {`{"jsonrpc":"2.0","method":"produceBlock","id":1}`, `"0x2"`},
	}
	for url, c := range calls {
		if code, text := post(t, url, c[0]); code != 401 || !json.Valid([]byte(text)) {
			t.Errorf("%s without a token: %d %s", url, code, text)
		}
		if code, text := post(t, url, c[0], "Authorization", "Bearer wrong-wrong-wrong"); code != 403 {
			t.Errorf("%s with a wrong token: %d %s", url, code, text)
		}
	}
	if len(f.Calls()) != 0 || f.Locked() || len(f.Delayed()) != 0 {
		t.Error("refused calls changed something")
	}
	for url, c := range calls {
		if code, text := post(t, url, c[0], "Authorization", "Bearer "+secret); code != 200 || !strings.Contains(text, c[1]) {
			t.Errorf("%s with the token: %d %s", url, code, text)
		}
	}
	res, err := http.Get("http://" + local(s.RESTAddr()) + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("status needs a token: %d", res.StatusCode)
	}
}

func TestEveryGRPCMethodThatIsNotAReadNeedsTheToken(t *testing.T) {
	f := fakes.Start(t)
	s := openToOthers(t, f)
	conn, err := grpckit.Dial(local(s.GRPCAddr()), config.TLS{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reads := map[string]bool{"GetStatus": true, "GetBlueprint": true, "StreamBlueprints": true, "GetPreblock": true, "ListProposals": true}
	desc := gatewayv1.GatewayService_ServiceDesc
	for _, m := range desc.Methods {
		err := conn.Invoke(t.Context(), "/"+desc.ServiceName+"/"+m.MethodName, &emptypb.Empty{}, &emptypb.Empty{})
		if got := status.Code(err) == codes.Unauthenticated; got == reads[m.MethodName] {
			t.Errorf("%s without a token: %v", m.MethodName, err)
		}
		if reads[m.MethodName] {
			continue
		}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+secret)
		err = conn.Invoke(ctx, "/"+desc.ServiceName+"/"+m.MethodName, &emptypb.Empty{}, &emptypb.Empty{})
		if c := status.Code(err); c == codes.Unauthenticated || c == codes.PermissionDenied {
			t.Errorf("%s with the token: %v", m.MethodName, err)
		}
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+secret, "idempotency-key", "g1")
	res, err := gatewayv1.NewGatewayServiceClient(conn).ProduceBlock(ctx, &gatewayv1.ProduceBlockRequest{})
	if err != nil || res.RequestId != "g1" {
		t.Errorf("got %v, %v", res, err)
	}
	stream, err := gatewayv1.NewGatewayServiceClient(conn).StreamBlueprints(t.Context(), &gatewayv1.StreamBlueprintsRequest{From: 1}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := stream.Recv(); err != nil || b.Blueprint.Number != 1 {
		t.Errorf("got %v, %v", b, err)
	}
}

func TestOnLoopbackNoTokenIsAskedForUnlessToldSo(t *testing.T) {
	for everywhere, want := range map[bool]int{false: 200, true: 401} {
		r, f := redistest.Mini(t), fakes.Start(t)
		lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: "127.0.0.1:1"})
		cfg := withToken(t, cfgFor(t, r.URL, f))
		cfg.LoopbackToken = everywhere
		s, _ := run(t, cfg)
		until(t, "a leader", ready(s))
		if code, text := post(t, "http://"+s.RESTAddr()+"/v1/produce_block", ""); code != want {
			t.Errorf("loopback-token %t: got %d %s", everywhere, code, text)
		}
	}
}

func TestStatusAnswersSoonThoughPartsAreDead(t *testing.T) {
	r, f, dead := redistest.Mini(t), fakes.Start(t), fakes.Start(t)
	dead.Stop()
	lead(t, r, leader.Endpoint{GRPC: f.Addr, RPC: "127.0.0.1:1"})
	cfg := cfgFor(t, r.URL, f)
	cfg.Monitor = dead.Addr
	s, _ := run(t, cfg)
	until(t, "a leader", ready(s))
	res, err := http.Get("http://" + s.RESTAddr() + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || !bytes.Contains(text, []byte(`"chain_id":`)) || !bytes.Contains(text, []byte(`"monitor"`)) || bytes.Contains(text, []byte(`"dsn":`)) {
		t.Errorf("got %d %s", res.StatusCode, text)
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for flag, change := range map[string]func(*Config){
		"--rest-address":    func(c *Config) { c.RESTAddress = "nowhere" },
		"--rpc-address":     func(c *Config) { c.RPCAddress = "" },
		"--rpc-timeout":     func(c *Config) { c.RPCTimeout = 0 },
		"--produce-timeout": func(c *Config) { c.ProduceWait = -1 },
		"--rpc-body-limit":  func(c *Config) { c.RPCBodyLimit = 1 },
		"--max-connections": func(c *Config) { c.MaxConns = 0 },
		"--hold-timeout":    func(c *Config) { c.HoldTimeout = -1 },
		"--max-held":        func(c *Config) { c.MaxHeld = 0 },
		"--cors-origins":    func(c *Config) { c.CORSOrigins = []string{"app.example"} },
		"--page-rpc-host":   func(c *Config) { c.PageRPCHost = "https://rpc.example" },
	} {
		var cfg Config
		if err := config.Defaults(&cfg); err != nil {
			t.Fatal(err)
		}
		if err := cfg.Validate(); err != nil {
			t.Fatalf("the defaults: %v", err)
		}
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: got %v", flag, err)
		}
	}
}
