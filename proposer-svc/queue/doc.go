// Package queue is the FIFO of proposal requests as a state machine: Next takes the stored state and an event, and returns
// what to store. It does no I/O, reads no clock and draws no random number, so the same functions run in the
// service (package redisqueue) and in a simulator (queuetest.Memory).
//
// Guarantees, whatever the order of events: at most one request is current (in flight or ending), requests become
// current in the order they were queued, each known request id is served once, and (number, attempt) of a request has
// one content.
//
//	phase      event                      next       what changes
//	---------  -------------------------  ---------  ----------------------------------------------------------
//	(unknown)  Enqueue                    queued     appended; ErrFull when the FIFO is at its limit
//	any        Enqueue                    the same   nothing; the answer is the request as it stands
//	queued     Start (head, no current)   in flight  number, attempt 1 and content hash are recorded
//	queued     Decline (head, no current) ending     the reason there will be no preblock is recorded
//	ending     Announced                  processed  the monitor knows the reason
//	in flight  Retry                      in flight  attempt + 1 and a new content hash, the same number
//	in flight  Displace                   in flight  the DSN fixed another request's content for the number
//	in flight  Applied, its number        processed  the preblock was its own
//	in flight  Applied, displaced         queued     back to the front: its number is used up, it had no event yet
//	queued     Applied, its id            processed  its preblock came from a proposal that Redis had lost
//	(unknown)  Applied, an id             processed  the same, before the waiter repeated the request
//
// The table names the phases of one request. The State of a transition is what it sees of all requests; the store
// (queuetest.Memory, or package redisqueue) applies the effects. Any other event is refused with an error and changes nothing.
//
// A state machine that never goes back would be simpler, but a request whose number went to another (possible only
// after Redis lost the FIFO, or beside the HTTP protocol of the origin) would then end without an event.
package queue
