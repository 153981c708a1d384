package leader_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"blindseq/kit/leader"
	"blindseq/kit/redistest"
)

// heard is plain text that tells which host TLS would check the certificate for.
type heard struct {
	credentials.TransportCredentials
	names chan<- string
}

func (h heard) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	h.names <- authority
	return h.TransportCredentials.ClientHandshake(ctx, authority, conn)
}

func (h heard) Clone() credentials.TransportCredentials { return h }

func TestTheCertificateIsThatOfTheLeadersName(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{name: "", want: "127.0.0.1"},
		{name: "producer-0.producer", want: "producer-0.producer"},
	} {
		r := redistest.Mini(t)
		e, _ := serverForT(t, "a")
		e.Name = c.name
		names := make(chan string, 16)
		conn, err := grpc.NewClient("leader:///producer", directoryForT(t, r).DialOption(),
			grpc.WithTransportCredentials(heard{insecure.NewCredentials(), names}))
		if err != nil {
			t.Fatal(err)
		}
		campaignForT(t, r, longTTL, e)
		wantAnswerFrom(t, healthv1.NewHealthClient(conn), "a")
		if got := <-names; got != c.want {
			t.Errorf("a leader at %s named %q: checked for %q", e.GRPC, c.name, got)
		}
		conn.Close()
	}
}

func TestALeaderIsKnownByItsNameWhereverItIs(t *testing.T) {
	before, after := leader.Endpoint{GRPC: "10.0.0.1:7103", Name: "producer-0"}, leader.Endpoint{GRPC: "10.0.0.2:7103", Name: "producer-0"}
	if before.ID() != after.ID() || before.ID() == (leader.Endpoint{GRPC: "10.0.0.1:7103"}).ID() {
		t.Errorf("%q, %q", before.ID(), after.ID())
	}
}
