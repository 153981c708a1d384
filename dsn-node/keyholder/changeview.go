package keyholder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"blindseq/kit/certs"
	"blindseq/kit/config"
	"blindseq/kit/grpckit"
	"blindseq/kit/roles"
	keyholderv1 "blindseq/proto/blindseq/keyholder/v1"
	"blindseq/seal/attest"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"google.golang.org/grpc/status"
)

// ChangeView is an operator's command for a number that cannot be decided, because keyholders are split over it: each is asked
// to go to a higher view of it. It cannot have two contents decided, whoever runs it and how often (attest.Opens).
type ChangeView struct {
	CommitteeFile string        `help:"Committee file." default:"committee.json" type:"path"`
	Keyholders    []string      `help:"Addresses (host:port) of the keyholders, in the order of their authority." required:""`
	Number        uint64        `help:"Number that cannot be decided. 0 changes nothing and shows how far each keyholder is." default:"0"`
	View          uint64        `help:"View to go to: the present one + 1. The first is 1. Repeating it is harmless." default:"1"`
	Timeout       time.Duration `help:"Timeout of one call to a keyholder." default:"10s"`
	TLS           config.TLS    `embed:"" prefix:"tls-"`
}

// Validate refuses what no keyholder answers to.
func (c *ChangeView) Validate() error {
	switch {
	case c.View == 0:
		return errors.New("--view must be at least 1: every number begins in view 0")
	case c.Timeout < 10*time.Millisecond || c.Timeout > time.Hour:
		return fmt.Errorf("--timeout must be within 10ms and 1h, not %s", c.Timeout)
	}
	return c.TLS.Validate()
}

// ErrTooFew says that fewer than a quorum of keyholders went to the view.
var ErrTooFew = errors.New("too few keyholders are in the view; run the command again when more answer")

// Run asks all keyholders, and shows what each says.
func (c ChangeView) Run(ctx context.Context, out io.Writer) error {
	of, err := committee.Read(c.CommitteeFile)
	if err != nil {
		return err
	}
	if len(c.Keyholders) != of.Size() {
		return fmt.Errorf("change view: %d keyholders given, the committee has %d", len(c.Keyholders), of.Size())
	}
	var source *certs.Source
	if c.TLS.On() {
		if source, err = certs.Open(c.TLS); err != nil {
			return fmt.Errorf("change view: %w", err)
		}
	}
	var changes []*keyholderv1.ViewChange
	for authority, target := range c.Keyholders {
		conn, err := grpckit.DialRole(target, roles.Keyholder, source)
		if err != nil {
			return fmt.Errorf("change view: %w", err)
		}
		m, said, err := c.ask(ctx, of, uint32(authority), keyholderv1.NewKeyholderServiceClient(conn))
		if err != nil {
			said = "error: " + status.Convert(err).Message()
		}
		if m != nil {
			changes = append(changes, m)
		}
		if _, err := fmt.Fprintf(out, "keyholder %d at %s: %s\n", authority, target, said); err != nil {
			return errors.Join(err, conn.Close())
		}
		if err := conn.Close(); err != nil {
			return fmt.Errorf("change view: %w", err)
		}
	}
	if c.Number == 0 {
		return nil
	}
	return c.conclude(of, changes, out)
}

// ask has one keyholder go to the view, or shows how far it is.
func (c ChangeView) ask(ctx context.Context, of *committee.Committee, authority uint32, k keyholderv1.KeyholderServiceClient) (*keyholderv1.ViewChange, string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if c.Number == 0 {
		s, err := k.GetStatus(ctx, &keyholderv1.GetStatusRequest{})
		return nil, said(s), err
	}
	hash := of.Hash()
	answer, err := k.ChangeView(ctx, &keyholderv1.ChangeViewRequest{CommitteeHash: hash[:], Number: c.Number, View: c.View})
	if err != nil {
		return nil, "", err
	}
	m := answer.GetViewChange()
	locked, err := attest.VerifyViewChange(of, m)
	if err == nil && (m.GetAuthority() != authority || m.GetNumber() != c.Number || m.GetView() != c.View) {
		err = fmt.Errorf("%w: authority %d, number %d, view %d", attest.ErrViewChange, m.GetAuthority(), m.GetNumber(), m.GetView())
	}
	if err != nil {
		return nil, "", err
	}
	what := "it has locked no content"
	if locked.Statement != (attest.Statement{}) {
		what = fmt.Sprintf("it has locked content %s in view %d", locked.Statement.Content, locked.View)
	}
	return m, fmt.Sprintf("in view %d of number %d; %s", c.View, c.Number, what), nil
}

func said(s *keyholderv1.GetStatusResponse) string {
	text := fmt.Sprintf("last number %d, statement %s", s.GetLastNumber(), common.BytesToHash(s.GetLastPayloadHash()))
	if m := s.GetViewChange(); m != nil && m.GetNumber() >= s.GetLastNumber() {
		text += fmt.Sprintf(", in view %d of number %d", m.GetView(), m.GetNumber())
	}
	if s.GetSignsFrom() > s.GetLastNumber() {
		text += fmt.Sprintf(", signs from number %d on", s.GetSignsFrom())
	}
	return text
}

// conclude says what follows from the answers.
func (c ChangeView) conclude(of *committee.Committee, changes []*keyholderv1.ViewChange, out io.Writer) error {
	if len(changes) < of.Quorum() {
		return fmt.Errorf("change to view %d of number %d: %w: %d of %d, %d are needed", c.View, c.Number, ErrTooFew, len(changes), of.Size(), of.Quorum())
	}
	required, err := attest.Opens(of, c.Number, c.View, changes)
	if err != nil {
		return err
	}
	next := "nothing is locked: the sequencer proposes what is in its log, or anything when its log is empty"
	if required != (attest.Statement{}) {
		next = fmt.Sprintf("content %s is locked, and may be final: it stays, unless a quorum of other keyholders shows that it cannot be", required.Content)
	}
	_, err = fmt.Fprintf(out, "view %d of number %d is open; %s\n", c.View, c.Number, next)
	return err
}
