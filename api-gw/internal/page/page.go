// Package page serves a web page that shows the pipeline live: blocks, the way of each transaction from sealed to executed, and the
// keyholders. The page is built from web/ into dist/, which is committed, so that building the gateway needs Go alone.
//
// It serves constant files, and where JSON-RPC is. The page itself calls only what anybody may call: GET on REST, and JSON-RPC over
// a WebSocket. Its policy (CSP) lets it load and reach nothing else.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed dist
var dist embed.FS

// Config says what the page has to know of the gateway.
type Config struct {
	// RPCHost is the host of JSON-RPC, with a port where it is not that of HTTP or HTTPS. Empty: the host of the page, at the port of
	// RPCAddress.
	RPCHost    string
	RPCAddress net.Addr
	// Faucet offers transfers from a development account, whose key is public.
	Faucet bool
}

// types are the kinds of the files; the system's own table is not asked, because it differs between machines.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".md": "text/plain; charset=utf-8", ".json": "application/json",
}

// file is one file of the page, plain and compressed.
type file struct {
	kind, tag   string
	plain, gzip []byte
}

type page struct {
	files   map[string]file // by path, without the first slash
	connect func(host string) string
	next    http.Handler
}

// New returns a handler that serves the page at / and /page/, and leaves everything else to next.
func New(cfg Config, next http.Handler) (http.Handler, error) {
	connect, err := connections(cfg)
	if err != nil {
		return nil, err
	}
	p := &page{files: map[string]file{}, connect: connect, next: next}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	if err := p.describe(cfg); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p.serve(func(*http.Request) string { return "index.html" }))
	mux.Handle("GET /page/{file}", p.serve(func(r *http.Request) string { return "page/" + r.PathValue("file") }))
	mux.Handle("/", next)
	return mux, nil
}

func (p *page) read() error {
	return fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		return p.add(strings.TrimPrefix(name, "dist/"), content)
	})
}

func (p *page) add(name string, content []byte) error {
	kind, ok := types[path.Ext(name)]
	if !ok {
		return fmt.Errorf("%s has an unknown kind", name)
	}
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	p.files[name] = file{kind: kind, tag: fmt.Sprintf("%x", sha256.Sum256(content))[:16], plain: content, gzip: small.Bytes()}
	return nil
}

// describe adds what the page reads first: where JSON-RPC is, and whether there is a faucet.
func (p *page) describe(cfg Config) error {
	about := struct {
		RPCHost string `json:"rpc_host"`
		RPCPort string `json:"rpc_port"`
		Faucet  bool   `json:"faucet"`
	}{cfg.RPCHost, portOf(cfg.RPCAddress), cfg.Faucet}
	text, err := json.Marshal(about)
	if err != nil {
		return err
	}
	return p.add("page/about.json", text)
}

func (p *page) serve(name func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := p.files[name(r)]
		if !ok {
			p.next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "no-cache") // ask again each time; the tag saves the transfer
		h.Set("Vary", "Accept-Encoding")
		h.Set("Content-Security-Policy", policy+p.connect(r.Host))
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		content, tag := f.plain, f.tag
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			content, tag = f.gzip, f.tag+"-gzip"
		}
		h.Set("Etag", `"`+tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

// policy allows the page its own files, and no script or style inside HTML. What it may connect to is appended.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'self'"

// hostname is a host as a policy can name it. It cannot name addresses of IPv6.
var hostname = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// connections returns what the policy adds for JSON-RPC, by the Host header of a request.
func connections(cfg Config) (func(host string) string, error) {
	if cfg.RPCHost != "" {
		if err := CheckHost(cfg.RPCHost); err != nil {
			return nil, err
		}
		return func(string) string { return sockets(cfg.RPCHost) }, nil
	}
	port := portOf(cfg.RPCAddress)
	return func(host string) string {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !hostname.MatchString(host) {
			host = "*"
		}
		return sockets(host + ":" + port)
	}, nil
}

func sockets(host string) string { return " ws://" + host + " wss://" + host }

// CheckHost says whether a policy can name this host, which may have a port.
func CheckHost(host string) error {
	name, port := host, "1"
	if strings.Contains(host, ":") {
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil {
			return err
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || !hostname.MatchString(name) {
		return fmt.Errorf("%q is not a host such as rpc.example.org", host)
	}
	return nil
}

func portOf(a net.Addr) string {
	_, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return ""
	}
	return port
}
