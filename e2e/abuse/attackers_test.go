package abuse

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"blindseq/e2e/load"
	"blindseq/seal"
	"blindseq/seal/committee"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/gorilla/websocket"
	"golang.org/x/sys/unix"
)

// attack is one thing that one small client does, again and again until ctx ends. Its errors are the system's defence.
type attack struct {
	name string
	run  func(ctx context.Context, a *attacker)
}

// attacks are all of them.
var attacks = []attack{
	{name: "200 unfinished bodies of 5 MiB", run: unfinishedBodies},
	{name: "4,096 idle connections", run: idleConnections},
	{name: "64 connections with batches of 100 eth_call", run: callBatches},
	{name: "eth_call of an endless loop", run: callLoops},
	{name: "1,024 WebSockets", run: manySockets},
	{name: "3,000 log subscriptions on one socket", run: manySubscriptions},
	{name: "debug_traceCall of an endless loop", run: traces},
	{name: "eth_getLogs over the whole chain", run: wholeLogs},
	{name: "1,100 transactions of 130 kB with a nonce gap", run: poolFiller},
	{name: "sealed garbage of one funded account", run: oneSpoiler},
	{name: "sealed garbage of 1,000 new accounts", run: manySpoilers},
}

// where a gateway is reached.
type where struct {
	RPC, WS string
	Direct  string // by no proxy (host:port)
}

// attacker is a client with an address of its own on this machine.
type attacker struct {
	where
	by     *committee.Committee
	dust   *load.Account // with a little money
	ip     string        // of its own, as its proxy says
	dialer *net.Dialer
	http   *http.Client

	answered, refused atomic.Int64
}

// afterRefusal is how long an attacker waits that was refused: it is one client, and shares this machine's processors.
const afterRefusal = 250 * time.Millisecond

func newAttacker(at where, by *committee.Committee, number int, dust *load.Account) *attacker {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 66, byte(1+number))}, Timeout: 5 * time.Second, Control: portAtConnect}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64}
	return &attacker{where: at, by: by, dust: dust, ip: fmt.Sprintf("203.0.113.%d", 1+number), dialer: dialer, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// portAtConnect has the port chosen when the socket connects. Chosen when it binds, a port that is free for all destinations is looked
// for among all that were used in the last minute, which took a quarter of this machine from everybody.
func portAtConnect(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	return errors.Join(err, failed)
}

// count takes the result of one try; a refused attacker waits a little.
func (a *attacker) count(ctx context.Context, ok bool) {
	if ok {
		a.answered.Add(1)
		return
	}
	a.refused.Add(1)
	sleep(ctx, afterRefusal)
}

// post sends a body to the gateway. What is answered with an error is refused.
func (a *attacker) post(ctx context.Context, body []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.RPC, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", a.ip)
	resp, err := a.http.Do(req)
	if err != nil {
		a.count(ctx, false)
		return
	}
	defer resp.Body.Close()
	start, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	a.count(ctx, err == nil && resp.StatusCode == http.StatusOK && !bytes.Contains(start, []byte(`"error":`)))
}

// many runs n of f until ctx ends.
func many(ctx context.Context, n int, f func(ctx context.Context, i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				f(ctx, i)
			}
		})
	}
	all.Wait()
}

func call(method, parameters string) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, parameters)
}

func (a *attacker) host() string {
	u, err := url.Parse(a.RPC)
	if err != nil {
		return ""
	}
	return u.Host
}

// unfinishedBodies sends all of a request but its last byte, and holds it.
func unfinishedBodies(ctx context.Context, a *attacker) {
	const size = 5 << 20
	body := bytes.Repeat([]byte(" "), size)
	many(ctx, 200, func(ctx context.Context, _ int) {
		conn, err := a.dialer.DialContext(ctx, "tcp", a.host())
		if err != nil {
			a.count(ctx, false)
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", a.ip, size)
		if err == nil {
			_, err = conn.Write(body[1:])
		}
		if err == nil {
			_, err = bufio.NewReader(conn).ReadByte() // held until the server ends it or the deadline comes
		}
		a.count(ctx, false)
		if err != nil {
			sleep(ctx, time.Second)
		}
	})
}

// idleConnections come through no proxy: the proxy's own connections are its own to bound.
func idleConnections(ctx context.Context, a *attacker) {
	many(ctx, idle, func(ctx context.Context, i int) {
		sleep(ctx, time.Duration(i)*time.Millisecond)
		a.idle(ctx)
		sleep(ctx, idleAgain)
	})
}

const (
	idle      = 4096
	idleAgain = 5 * time.Second // how long an attacker waits that was refused
)

// idle connects and says nothing, until the server or ctx ends it.
func (a *attacker) idle(ctx context.Context) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", a.Direct)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	a.answered.Add(1)
	_, _ = io.Copy(io.Discard, conn)
	a.refused.Add(1)
}

func callBatches(ctx context.Context, a *attacker) {
	one := call("eth_call", `[{"to":"0x0000000000000000000000000000000000000002","data":"0x`+strings.Repeat("ab", 256)+`"},"latest"]`)
	body := append(append([]byte{'['}, bytes.Join(slicesOf(one, 100), []byte{','})...), ']')
	many(ctx, 64, func(ctx context.Context, _ int) { a.post(ctx, body) })
}

// callLoops asks for calls of a few bytes that use all gas that a call may have: JUMPDEST PUSH1 0 JUMP.
func callLoops(ctx context.Context, a *attacker) {
	body := call("eth_call", `[{"data":"0x5b600056"},"latest"]`)
	many(ctx, 16, func(ctx context.Context, _ int) { a.post(ctx, body) })
}

func slicesOf(b []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

func (a *attacker) socket(ctx context.Context) (*websocket.Conn, error) {
	d := websocket.Dialer{NetDialContext: a.dialer.DialContext, HandshakeTimeout: 10 * time.Second}
	conn, resp, err := d.DialContext(ctx, a.WS, http.Header{"X-Forwarded-For": {a.ip}})
	if err != nil {
		if resp != nil {
			resp.Body.Close()
		}
		return nil, err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	return conn, nil
}

// drain reads from a socket until it ends.
func drain(conn *websocket.Conn) {
	for {
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

func manySockets(ctx context.Context, a *attacker) {
	many(ctx, 1024, func(ctx context.Context, i int) {
		sleep(ctx, time.Duration(i%100)*10*time.Millisecond)
		conn, err := a.socket(ctx)
		if err != nil {
			a.count(ctx, false)
			sleep(ctx, time.Second)
			return
		}
		defer conn.Close()
		a.answered.Add(1)
		drain(conn)
		a.refused.Add(1)
		sleep(ctx, time.Second)
	})
}

func manySubscriptions(ctx context.Context, a *attacker) {
	many(ctx, 1, func(ctx context.Context, _ int) {
		conn, err := a.socket(ctx)
		if err != nil {
			a.count(ctx, false)
			sleep(ctx, time.Second)
			return
		}
		defer conn.Close()
		go func() {
			body := call("eth_subscribe", `["logs",{}]`)
			for range 3000 {
				if conn.WriteMessage(websocket.TextMessage, body) != nil {
					return
				}
			}
		}()
		for {
			_, message, err := conn.ReadMessage()
			if err != nil {
				sleep(ctx, time.Second)
				return
			}
			if bytes.Contains(message, []byte(`"id":`)) {
				if bytes.Contains(message, []byte(`"error":`)) {
					a.refused.Add(1)
				} else {
					a.answered.Add(1)
				}
			}
		}
	})
}

// traces asks for the trace of a loop that uses all gas that a call may have: MSTORE at 4,095, JUMPDEST PUSH1 6 JUMP.
func traces(ctx context.Context, a *attacker) {
	body := call("debug_traceCall", `[{"data":"0x6001610fff525b600656"},"latest",{"enableMemory":true}]`)
	many(ctx, 2, func(ctx context.Context, _ int) { a.post(ctx, body) })
}

func wholeLogs(ctx context.Context, a *attacker) {
	body := call("eth_getLogs", `[{"fromBlock":"earliest","toBlock":"latest"}]`)
	many(ctx, 16, func(ctx context.Context, _ int) { a.post(ctx, body) })
}

// poolFiller sends transactions of 130 kB for which there never will be a predecessor.
func poolFiller(ctx context.Context, a *attacker) {
	const size, n = 130_000, 1100
	a.dust.Nonce = 1
	var bodies [][]byte
	for range n {
		tx, err := a.dust.Sign(&types.DynamicFeeTx{
			ChainID: big.NewInt(devChainID), GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(2 * params.GWei),
			Gas: 6_000_000, To: &common.Address{1}, Data: make([]byte, size),
		})
		if err != nil {
			return
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			return
		}
		bodies = append(bodies, call("eth_sendRawTransaction", `["`+hexutil.Encode(raw)+`"]`))
	}
	var next atomic.Int64
	many(ctx, 8, func(ctx context.Context, _ int) { a.post(ctx, bodies[next.Add(1)%n]) })
}

// oneSpoiler submits what nobody can open.
func oneSpoiler(ctx context.Context, a *attacker) {
	sealer := load.NewSealer(a.by, a.dust, a.head(ctx))
	many(ctx, 1, func(ctx context.Context, _ int) { a.spoil(ctx, sealer) })
}

func manySpoilers(ctx context.Context, a *attacker) {
	many(ctx, 1, func(ctx context.Context, _ int) {
		head := a.head(ctx)
		for range 1000 {
			key, err := crypto.GenerateKey()
			if err != nil || ctx.Err() != nil {
				return
			}
			a.spoil(ctx, load.NewSealer(a.by, load.NewAccount(key, big.NewInt(devChainID)), head))
		}
	})
}

func (a *attacker) spoil(ctx context.Context, sealer *load.Sealer) {
	sealed, err := sealer.Garbage(seal.ErrPayload)
	if err != nil {
		return
	}
	if sealer.Seq%1000 == 0 {
		sealer.Expiry = a.head(ctx) + a.by.Limits.Lifetime
	}
	a.post(ctx, call("eth_sendRawTransaction", `["`+hexutil.Encode(sealed.Encode())+`"]`))
}

// head is the number of the head, zero if it is not answered.
func (a *attacker) head(ctx context.Context) uint64 {
	var answer struct{ Result hexutil.Uint64 }
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.RPC, bytes.NewReader(call("eth_blockNumber", "[]")))
	if err != nil {
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Forwarded-For", a.ip)
	resp, err := a.http.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return uint64(answer.Result)
}
