package config

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

type sample struct {
	Common `embed:""`
	Wait   time.Duration `help:"How long to wait." default:"2s"`
}

func (*sample) DefaultAddresses() (string, string) { return "127.0.0.1:7101", "127.0.0.1:7201" }

func TestDefaultsIgnoreTheEnvironment(t *testing.T) {
	t.Setenv("REDIS_URL", "redis://elsewhere")
	var c sample
	if err := Defaults(&c); err != nil {
		t.Fatal(err)
	}
	if c.Wait != 2*time.Second || c.RedisURL != "redis://127.0.0.1:6379/0" || c.GRPCAddress != "127.0.0.1:7101" {
		t.Fatalf("defaults %+v", c)
	}
}

func TestCommandLineWinsOverEnvironmentOverDefault(t *testing.T) {
	t.Setenv("BLINDSEQ_WAIT", "3s")
	t.Setenv("BLINDSEQ_LOG_LEVEL", "debug")
	var c sample
	if _, _, err := Parse("sample", "", &c, []string{"--log-level", "warn"}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if c.Wait != 3*time.Second || c.LogLevel != "warn" || c.LogFormat != "text" {
		t.Fatalf("parsed %+v", c)
	}
}

func TestHelpNamesEveryFlagItsDefaultAndItsVariable(t *testing.T) {
	var out bytes.Buffer
	_, exit, err := Parse("sample", "A sample.", &sample{}, []string{"--help"}, &out)
	if err != nil || !exit {
		t.Fatalf("exit %v, error %v", exit, err)
	}
	for _, want := range []string{"--wait=2s", "BLINDSEQ_WAIT", "--tls-cert", "BLINDSEQ_TLS_CERT", "REDIS_URL", "127.0.0.1:7201"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, out.String())
		}
	}
}

func TestBadConfigurationIsRefusedAndPointsToHelp(t *testing.T) {
	for _, args := range [][]string{{"--wait", "soon"}, {"--log-level", "loud"}, {"--no-such"}, {"--tls-cert", "a.pem"}} {
		_, exit, err := Parse("sample", "", &sample{}, args, &bytes.Buffer{})
		if err == nil || exit || !strings.Contains(err.Error(), "--help") {
			t.Errorf("%v: exit %v, error %v", args, exit, err)
		}
	}
}

func TestAdvertiseAddress(t *testing.T) {
	for _, c := range []struct{ advertise, listen, want string }{
		{"", "127.0.0.1:7101", "127.0.0.1:7101"},
		{"10.0.0.7", "0.0.0.0:7101", "10.0.0.7:7101"},
		{"", "[::]:7101", ""},
		{"", ":7101", ""},
		{"producer-0.producer", "[::]:7101", "producer-0.producer:7101"},
	} {
		got, err := (&Common{Advertise: c.advertise}).AdvertiseAddress(c.listen)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("advertise %q, listen %q: got %q, %v", c.advertise, c.listen, got, err)
		}
	}
}
