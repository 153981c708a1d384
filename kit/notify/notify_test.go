package notify_test

import (
	"fmt"
	"sync"
	"testing"

	"blindseq/kit/notify"
)

func TestBroadcastWakesEveryoneWhoWaits(t *testing.T) {
	var b notify.Broadcast
	b.Notify() // nobody waits
	var wg sync.WaitGroup
	for range 10 {
		c := b.Changed()
		wg.Go(func() { <-c })
	}
	b.Notify()
	wg.Wait()
	select {
	case <-b.Changed():
		t.Fatal("a channel taken after the change is closed already")
	default:
	}
}

// TestNoChangeIsMissed: a waiter that takes the channel before it looks sees the last value, whatever the interleaving.
func TestNoChangeIsMissed(t *testing.T) {
	var b notify.Broadcast
	var mu sync.Mutex
	value := 0
	var wg sync.WaitGroup
	const last = 10_000
	for range 4 {
		wg.Go(func() {
			for {
				changed := b.Changed()
				mu.Lock()
				now := value
				mu.Unlock()
				if now == last {
					return
				}
				<-changed
			}
		})
	}
	for i := 1; i <= last; i++ {
		mu.Lock()
		value = i
		mu.Unlock()
		b.Notify()
	}
	wg.Wait()
}

func TestWakeCoalesces(t *testing.T) {
	w := notify.NewWake()
	for range 3 {
		w.Notify()
	}
	<-w.C()
	select {
	case <-w.C():
		t.Fatal("three notifications woke twice")
	default:
	}
}

func ExampleBroadcast() {
	var ready notify.Broadcast
	changed := ready.Changed() // before the look at the state
	go ready.Notify()
	<-changed
	fmt.Println("woken")
	// Output: woken
}
