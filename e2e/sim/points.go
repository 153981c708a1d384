package sim

// Point names a step whose effect outlives the process: on a disk, in Redis, or in another process. A process can be killed or
// stopped before and after each.
type Point uint8

// The points, in the order of a block's way.
const (
	TransactionStored Point = iota // a pending transaction, on the producer's volume
	LeaseTaken                     // of the leading producer or the active proposer
	LockTaken                      // the consumption lock
	LockRenewed
	LockReturned
	RequestQueued     // in the FIFO
	AttemptRecorded   // the first of a request, in the FIFO
	AttemptRepeated   // a later one
	DeclineRecorded   // that a request ends without a preblock
	NoticeStored      // by the monitor
	DeclineAnnounced  // the monitor has the reason, in the FIFO
	ProposalSubmitted // to the DSN
	DisplaceRecorded  // that the number went to another request
	ProposalStored    // by the sequencer
	AttestationStored // by a keyholder, or a final content that it adopts
	LockStored        // with its certificate
	RestorationStored // from where on a keyholder without votes signs
	SharesGiven       // by a keyholder
	PreblockStored    // by the sequencer, with its certificate
	PreblockShown     // to the monitors
	PreblockMerged    // by a monitor
	BlueprintAppended // to the blueprint log
	BlueprintApplied
	BlueprintPublished
	ProcessedRecorded // that the blueprint is applied, in the FIFO
	numPoints
)

var pointNames = [numPoints]string{
	"transaction stored", "lease taken", "lock taken", "lock renewed", "lock returned", "request queued", "attempt recorded",
	"attempt repeated", "decline recorded", "notice stored", "decline announced", "proposal submitted", "displace recorded",
	"proposal stored", "attestation stored", "lock stored", "restoration stored", "shares given", "preblock stored", "preblock shown", "preblock merged",
	"blueprint appended", "blueprint applied", "blueprint published", "processed recorded",
}

func (p Point) String() string { return pointNames[p] }

// Moment is a point's before or after: where a crash can be.
type Moment struct {
	Point Point
	After bool
}

func (m Moment) String() string {
	if m.After {
		return "after " + m.Point.String()
	}
	return "before " + m.Point.String()
}

// Moments are all there are.
func Moments() (all []Moment) {
	for p := range numPoints {
		all = append(all, Moment{p, false}, Moment{p, true})
	}
	return all
}
