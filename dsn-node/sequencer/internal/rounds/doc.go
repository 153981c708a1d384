// Package rounds decides preblocks with the keyholders: for each accepted content it collects a quorum's attestations, shows
// them the certificate, collects their decryption shares and opens the sealed transactions with them.
//
// Shares come without proof. When a transaction does not open with a threshold of them, everybody is asked to prove its share
// of it; the proven ones open it, or show that nobody can. Keyholders whose shares were wrong are left out of later openings,
// unless the others are too few.
//
// The decision itself is the state machine of package round; this package drives it.
//
// Around it, each keyholder has a follower, which brings it through the numbers in their order, at its own pace, and asks it
// for shares when there is a certificate. Who was away is brought through what it missed from the sequencer's own log. A
// follower repeats a call that failed, with growing pauses, for as long as the process runs.
//
// A round begins in view 0 of its number. When a quorum of keyholders has gone to a higher view, as an operator has them do when they
// are split between two contents, the content is proposed again there, with their statements.
//
// The package guarantees:
//   - A decision needs a quorum of attestations and a threshold of right shares and waits for nobody else. With fewer it waits,
//     says who is missing, and continues when they are back.
//   - Whatever keyholders answer, the decision's content is the one given, and its outcomes are the one right list.
//   - A keyholder that signed what no honest one signs is recorded with its signatures: package evidence.
//   - Repeating a round after a crash is harmless: keyholders answer the same again.
//
// It asks of callers: one Decide at a time, with numbers that only grow by one, each durable before.
package rounds
