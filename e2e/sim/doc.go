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
//	                                     history.Check: S1 to S13, L1 to L5
//
// What is named in the picture is the services' own code, imported from their packages: the same functions, not a model
// of them. What is written here is what surrounds them in a service, the goroutines, calls and files: each machine's
// effects are done as events of the world, and what they come to is fed back. Two things are stand-ins: the EVM is a hash
// over executed transactions (chain), and a signature is the name of who made it.
//
// A process that is killed loses what it did not sync, one that is stopped goes on later with the messages that came
// meanwhile. Every durable step is a Point, before and after which a fault can strike (process.step). After the last fault
// all is quiet: the work has to get done then, every queue to empty, and every process to end when it is asked to.
//
// A run is a function of its Plan. One that fails is run again by its seed, with the same trace, and Shrink finds the
// smallest plan that fails alike. A Bug is a defect put into the surroundings (spoil.go and the calls of world.bug): the
// test that every one is found is the test of the simulator and of the checker.
package sim
