// Package sim runs the state machines of all services together in one process: in virtual time, with everything that can
// go wrong drawn from a seed, and judged by package history.
//
//	             schedule (Plan): crashes and stops at moments, cuts, loss, delay, wipes ...
//	                                        │ strike, inject
//	┌ world ────────────────────────────────▼──────────────────────────────────────────────────┐
//	│  clock: one heap of timers       network: call, send          trace: a hash of all steps │
//	│                                                                                          │
//	│  client        wallets and callers                                                       │
//	│    │                                                                                     │
//	│  producer ×2   Section (producer-svc)  bplog.Tip  Contents  feed.Builder │ disk: log, txs│
//	│    │  │                                                                                  │
//	│    │  └─ proposer ×2   FIFO and Term (proposer-svc)                                      │
//	│    │        │                                                                            │
//	│    │        └─ sequencer   Order and Round (dsn-node)               │ disk: proposals... │
//	│    │              ├─ keyholder ×4   Follow, Again (dsn-node)        │ disk: attestations │
//	│    └─ monitor ×2 ─┘   merge.State (monitor-svc)                                          │
//	│                                                                                          │
//	│  redis         locktest.Record, queuetest.Memory, notices; locks by lock.Line, Belief    │
//	└──────────────────────────────────────────┬───────────────────────────────────────────────┘
//	                                           ▼ what was seen
//	                                     history.Check: S1 to S17, L1 to L5
//
// The names in the picture are the services' own code, imported from their packages: the same functions, not a model of
// them. This package replaces what surrounds them in a service: goroutines, calls and files. It performs each machine's
// effects as events of the world and feeds the results back. Two things are stand-ins: the EVM is a hash over executed
// transactions (chain), and a signature is the name of its signer. A sealed transaction is marked and not encrypted
// (sealed.go): its seq is checked by seal's rules.Window, and the last keyholder's shares of it are wrong. A hostile leader and
// sequencer (hostile.go) do all the harm they can beside the rounds.
//
// A killed process loses what it did not sync. A stopped process continues later, with the messages that arrived meanwhile.
// Every durable step is a Point, and a fault can strike before and after it (process.step). After the last fault nothing
// goes wrong any more: then the work must get done, every queue must empty, and every process must exit on SIGTERM.
//
// A run is a function of its Plan: the seed of a failed run repeats it with the same trace, and Shrink finds the smallest
// plan that fails in the same way. A Bug is a defect seeded in the surroundings (spoil.go and the calls of world.bug). The
// test that every Bug is found tests the simulator and the checker.
package sim
