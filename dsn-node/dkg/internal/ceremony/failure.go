package ceremony

import (
	"errors"
	"fmt"
	"strings"
)

// What a participant can be at fault for.
var (
	ErrSilent     = errors.New("nothing was heard in time")
	ErrEquivocal  = errors.New("signed two different messages for one step (or was restarted during the ceremony)")
	ErrPromise    = errors.New("dealt with other commitments than it promised")
	ErrBadShare   = errors.New("dealt a share that does not fit its commitments")
	ErrComplaint  = errors.New("complained about a share that is right")
	ErrTranscript = errors.New("confirms messages that nobody sent")
	ErrResult     = errors.New("confirms a committee that does not follow from the messages")
	ErrEnded      = errors.New("ended the ceremony")
	// ErrStopped is not a participant's fault: this process was stopped, or could not continue.
	ErrStopped = errors.New("stopped here")
)

// Failure is why a ceremony ended without a key.
type Failure struct {
	Phase    Phase
	Culprits []uint8 // empty with ErrStopped
	Reason   error
	// Undecided says that others may have published: this participant's word that it is ready was out.
	Undecided bool

	ceremony *Ceremony
}

func (f *Failure) Error() string {
	if len(f.Culprits) == 0 {
		return fmt.Sprintf("key generation failed while %s: %v", f.Phase, f.Reason)
	}
	var who []string
	for _, i := range f.Culprits {
		p := f.ceremony.Participants[i]
		who = append(who, fmt.Sprintf("participant %d (%s at %s)", i, p.Identity, p.Endpoint))
	}
	return fmt.Sprintf("key generation failed while %s: %s: %v", f.Phase, strings.Join(who, ", "), f.Reason)
}

func (f *Failure) Unwrap() error { return f.Reason }
