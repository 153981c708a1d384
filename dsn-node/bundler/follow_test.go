package bundler

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/ethereum/go-ethereum/common"
)

// noticed is a notification of a step.
type noticed struct {
	Params struct {
		Subscription string
		Result       struct {
			Step, BlockNumber, Reason string
			Hash, ID                  common.Hash
		}
	}
}

// next reads notifications and answers until there is a notification.
func (w *world) next(conn *websocket.Conn) (n noticed) {
	w.t.Helper()
	for n.Params.Subscription == "" {
		if err := json.Unmarshal([]byte(w.hear(conn)), &n); err != nil {
			w.t.Fatal(err)
		}
	}
	return n
}

func step(subscription, step string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":"te_subscription","params":{"subscription":%q,"result":{"step":%q,"hash":"0x00","blockNumber":"0x6"}}}`, subscription, step)
}

func TestATransactionIsFollowedByTheHashOfWhatIsInside(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	conn := w.socket("/")
	raw, hash := me.transfer(0, 1, 10, 1)
	subscribed := w.over(conn, "te_subscribe", fmt.Sprintf(`"transaction","%s"`, hash))
	sub, _ := subscribed.Result.(string)
	if len(sub) < 20 {
		t.Fatalf("subscribe: %+v", subscribed)
	}
	w.say(conn, fmt.Sprintf(`{"jsonrpc":"2.0","id":9,"method":"eth_sendRawTransaction","params":["0x%x"]}`, raw))
	id := w.id(w.rollup.Sealed(t, 1)[0])
	want := func(name string) {
		t.Helper()
		got := w.next(conn)
		if r := got.Params.Result; got.Params.Subscription != sub || r.Step != name || r.Hash != hash || r.ID != common.Hash(id) {
			t.Fatalf("%+v, not %s of %s, sealed as %s", got, name, hash, id)
		}
	}
	want("sealed")
	w.rollup.Push(step("0x1", "executed")) // of the hash, which is not followed there any more
	for _, told := range []string{"sealed", "final", "final", "opened", "executed"} {
		w.rollup.Push(step("0x2", told))
	}
	for _, name := range []string{"final", "opened", "executed"} {
		want(name)
	}
	if a := w.over(conn, "te_unsubscribe", `"`+sub+`"`); a.Result != true {
		t.Errorf("unsubscribe: %+v", a)
	}
	w.rollup.Hang()
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusServiceRestart {
		t.Errorf("the observer is gone: %v", err)
	}
}

func TestAQueuedTransactionIsFollowedToItsEnd(t *testing.T) {
	w, me := newWorld(t), newAccount(t)
	conn := w.socket("/")
	raw, hash := me.transfer(3, 1, 10, 1)
	other, otherHash := me.transfer(3, 2, 20, 2)
	w.over(conn, "te_subscribe", fmt.Sprintf(`"transaction","%s"`, hash))
	for i, one := range [][]byte{raw, other} {
		w.say(conn, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_sendRawTransaction","params":["0x%x"]}`, 10+i, one))
		want := []string{"pending", "ended"}[i]
		got := w.next(conn).Params.Result
		if got.Step != want || got.Hash != hash || want == "ended" && !strings.Contains(got.Reason, otherHash.Hex()) {
			t.Fatalf("%+v, not %s", got, want)
		}
	}
}

func TestASocketKeepsSoManyThatHaveEnded(t *testing.T) {
	w := newWorld(t)
	conn := w.socket("/")
	var all []string
	for i := 0; ; i++ {
		a := w.over(conn, "te_subscribe", fmt.Sprintf(`"transaction","%s"`, common.BigToHash(common.Big1)))
		if a.Error != nil {
			if i < 512 || a.Error.Code != -32005 {
				t.Fatalf("the subscription %d: %+v", i, a.Error)
			}
			break
		}
		if i > 520 { // the end of one is counted a little after it is told
			t.Fatal("there is no limit")
		}
		id, _ := a.Result.(string)
		all = append(all, id)
		w.rollup.Push(step(fmt.Sprintf("0x%x", i+1), "executed"))
		w.next(conn)
	}
	for _, id := range all[:20] { // more than were begun beyond the limit
		if a := w.over(conn, "te_unsubscribe", `"`+id+`"`); a.Result != true {
			t.Fatalf("unsubscribe: %+v", a)
		}
	}
	if a := w.over(conn, "te_subscribe", fmt.Sprintf(`"transaction","%s"`, common.Hash{1})); a.Error != nil {
		t.Errorf("after one was ended: %+v", a.Error)
	}
}
