// Package inspect shows what the DSN's parts hand out, readably, and checks it with nothing but the committee's file: a
// sealed transaction, a preblock, a certificate, the proof of a transaction's place, evidence against a keyholder or a whole
// folder of it, and a committee's file itself.
//
// It guarantees that Run returns nil only for what verifies. What cannot be checked without a key or a committee does not.
package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"blindseq/dsn-node/offline/internal/input"
	"blindseq/seal"
	"blindseq/seal/committee"
)

var (
	// ErrDoesNotVerify says that what was shown does not hold, or could not be checked.
	ErrDoesNotVerify = errors.New("does not verify")
	// ErrUnknown says that the input is nothing that can be inspected.
	ErrUnknown = errors.New("neither a sealed transaction nor a preblock, a certificate, an order proof, evidence or a committee")
)

// Kinds of what can be inspected; KindAuto is recognised by its bytes.
const (
	KindAuto        = "auto"
	KindSealed      = "sealed"
	KindPreblock    = "preblock"
	KindCertificate = "certificate"
	KindEvidence    = "evidence"
	KindProof       = "proof"
	KindCommittee   = "committee"
)

// maxInput bounds what is read: a preblock with everything in it, in hex.
const maxInput = 16 << 20

// Config of the command.
type Config struct {
	Path      string `arg:"" optional:"" help:"File with the object: hex, protobuf, or JSON as of REST /v1/preblocks or te_getOrderProof; or a copy of a sequencer's evidence folder; or the hex itself. From standard input when absent or -."`
	Kind      string `help:"Kind of object: ${enum}. In auto mode, hex that is nothing else is a sealed transaction." enum:"auto,sealed,preblock,certificate,evidence,proof,committee" default:"auto"`
	input.Key `embed:""`
}

// Validate refuses flags that contradict each other. A sealed transaction can be checked against a key alone, everything
// else against a committee, and without either everything is only shown.
func (c *Config) Validate() error {
	if !c.Named() {
		return nil
	}
	return c.Key.Validate()
}

// Run shows the object to out. It returns nil when the object verifies, ErrDoesNotVerify when it does not, and another
// error when there is nothing to show.
func Run(cfg Config, in io.Reader, out io.Writer) error {
	if err := run(cfg, in, out); err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	return nil
}

func run(cfg Config, in io.Reader, out io.Writer) error {
	a, err := cfg.against()
	if err != nil {
		return err
	}
	objects, err := load(cfg, in)
	if err != nil {
		return err
	}
	p := &page{out: out}
	var bad []error
	for _, o := range objects {
		bad = append(bad, o.report(p, a))
	}
	return errors.Join(errors.Join(bad...), p.err)
}

// against is what is verified against; each may be missing.
type against struct {
	ring      *seal.Ring
	committee *committee.Committee
}

func (c *Config) against() (a against, err error) {
	if !c.Named() {
		return a, nil
	}
	key, by, err := c.Read()
	if err != nil {
		return a, err
	}
	a.committee = by
	a.ring, err = seal.NewRing(key.ChainID(), key)
	return a, err
}

// object is something to show and to verify.
type object interface {
	report(p *page, a against) error
}

// record is an object that is shown in lines and verified against a committee.
type record interface {
	show(p *page)
	verify(c *committee.Committee) error
}

type shown struct{ record }

func (o shown) report(p *page, a against) error {
	o.show(p)
	if a.committee == nil {
		p.line("verdict", "not checked: --committee-file is needed")
		return fmt.Errorf("%w: not checked", ErrDoesNotVerify)
	}
	if err := o.verify(a.committee); err != nil {
		p.line("verdict", "INVALID: %v", err)
		return fmt.Errorf("%w: %w", ErrDoesNotVerify, err)
	}
	p.line("verdict", "VALID")
	return nil
}

// load reads the objects: several only from a folder.
func load(cfg Config, in io.Reader) ([]object, error) {
	b, folder, err := read(cfg.Path, in)
	if err != nil {
		return nil, err
	}
	if folder {
		return loadFolder(cfg.Path)
	}
	decoded, isHex := hexOf(b)
	if isHex {
		b = decoded
	}
	o, err := decode(b, cfg.Kind)
	switch {
	case err == nil:
		return []object{o}, nil
	case isHex && cfg.Kind == KindAuto:
		return []object{&sealedObject{b}}, nil
	}
	return nil, err
}

// hexOf decodes hex; "0x" alone is no bytes.
func hexOf(text []byte) ([]byte, bool) {
	if string(bytes.TrimSpace(text)) == "0x" {
		return nil, true
	}
	return input.Hex(text)
}

// read returns the bytes of a file, of the argument itself when no file is called so, or of standard input.
func read(path string, in io.Reader) (b []byte, folder bool, err error) {
	if path == "" || path == "-" {
		b, err = input.All(in, maxInput)
		return b, false, err
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, true, nil
	}
	if err == nil {
		f, err := os.Open(path)
		if err != nil {
			return nil, false, err
		}
		defer f.Close() // only read
		b, err = input.All(f, maxInput)
		return b, false, err
	}
	if _, ok := hexOf([]byte(path)); ok {
		return []byte(path), false, nil
	}
	return nil, false, err
}

// page writes lines; its first error stays.
type page struct {
	out io.Writer
	err error
}

func (p *page) title(format string, args ...any) { p.write(fmt.Sprintf(format, args...) + "\n") }

func (p *page) line(name, format string, args ...any) {
	p.write(fmt.Sprintf("  %-18s ", name) + fmt.Sprintf(format, args...) + "\n")
}

// write replaces control characters: words in an object are somebody else's, and this may be a terminal.
func (p *page) write(text string) {
	if p.err != nil {
		return
	}
	safe := bytes.Map(func(r rune) rune {
		if r != '\n' && (r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0) {
			return '?'
		}
		return r
	}, []byte(text))
	_, p.err = p.out.Write(safe)
}
