// Package ceremony is a distributed key generation as a state machine: its participants end with the same committee and a
// share each, and nobody ever holds the secret. It has no clock, network, disk or goroutine; a driver (package dkg) hands
// it messages and deadlines and does what it says.
//
//	phase       event                                       next        effects
//	committing  everyone's commit is here                   dealing     Send deal
//	dealing     everyone's deal is here, all hold           confirming  Send confirm
//	dealing     a deal's commitments are not those promised failed      Send abort, Fail
//	dealing     a share for us is wrong                     failed      Send complaint, Fail
//	confirming  everyone confirms the same transcript       finishing   Stage
//	confirming  someone confirms another one                failed      Send abort, Fail
//	finishing   Staged                                      finishing   Send finish
//	finishing   a finish                                    finishing   Relay
//	finishing   everyone's finish is here and ours is with  done        Publish, Send publication
//	            everyone: Acknowledged, or a publication
//	any         second message of a kind, other content     failed      Send abort, Fail
//	any         complaint (with the deal it is about)       failed      Send abort, Fail
//	any         abort                                       failed      Fail
//	any         Expired, this phase                         failed      Send abort, Fail
//
// # The scheme
//
// Pedersen's key generation with Feldman's commitments (package feldman): everyone deals a random polynomial, the key is that
// of their sum. Commitments are promised by hash before anyone shows his, so nobody can choose his after seeing others':
// the bias Gennaro, Jarecki, Krawczyk and Rabin found. Their other way to it, being disqualified on purpose, is closed
// because nobody ever is: all participants contribute or there is no key. Who ends a ceremony because he dislikes its key
// is seen doing so, and can do nothing else.
//
// All messages are for all participants: shares are in the deals, sealed for one-time keys. So a complaint is settled by
// showing the one-time key, which opens shares of this ceremony only, and its key is given up with it. No justification
// is needed, and nobody can be blamed for a share he dealt rightly.
//
// # What the package guarantees
//
//   - Publish comes only after everyone confirmed the same transcript, said that its share is durable, and acknowledged our
//     word for the same.
//   - A ceremony that fails says who is at fault, or who said so.
//   - A message changes nothing unless its sender signed it, for this ceremony.
//   - Secrets are in no message but sealed, in no error, and overwritten when the machine ends.
//
// # What it cannot give
//
// Two processes cannot both know that the other one knows. Who hears nothing after its own finish has to keep what it
// staged: the others may have published. Failure.Undecided tells.
package ceremony
