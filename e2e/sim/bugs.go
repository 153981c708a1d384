package sim

// Bug is a defect that can be seeded in the world around the state machines: their effects are performed wrongly.
type Bug uint8

// The defects.
const (
	NoBug Bug = iota
	ProposalNotSynced
	PreblockNotSynced
	ShowsBeforeStoring
	TakesTwoProposals
	AttestsTwoContents
	AttestationNotSynced
	SharesBeforeTheCertificate
	SharesBeforeFinality
	AttestsBeforeFinality
	LocksWithoutACertificate
	LockNotSynced
	RestoredSignsAtOnce
	RestoredSignsTooLow
	TakesOldTimestamps
	ExpiryOffByOne
	LifetimeOffByOne
	SkipsASeq
	IgnoresTheBaseFee
	ForgetsTheWindow
	SkipsAPreblock
	BlueprintNotSynced
	TransactionNotSynced
	AcknowledgesBeforeStoring
	PopsBeforeApply
	PublishesBeforeApply
	PublishesOtherBytes
	ForgetsTheTokenCheck
	TrustsALostLock
	TakesAHeldLock
	ReusesAToken
	NeverReturnsTheLock
	WrongParent
	TimestampGoesBack
	ForgetsServedRequests
	RenumbersItsRequest
	LosesTheOneInFlight
	SubmitsTwice
	AwaitsTheNumberBefore
	TellsBothEnds
	OverwritesAReason
	LabelsWithTheLastRequest
	DropsAPreblock
	SkipsReplayOfTheLast
	ExecutesDifferently
	ExecutesTwice
	RecordsOtherContent
	StoresWhatItRefuses
	AnswersAnotherBlock
	NeverServesAgain
	NeverLeadsAgain
	KeepsWhatIsExecuted
	HangsOnShutdown
	ForgetsWhatWaits
	ReordersWhatWaits
	OvertakesWhatWaits
	LetsSealedWait
	WaitsForANonce
	ForgetsBars
	BarsEverything
	TakesASecondOutcome
	numBugs
)

// bugs describes each defect and names the invariants of which the checker must report one.
var bugs = [numBugs]struct {
	what   string
	breaks []string
	// hostile: a leader and a sequencer that are honest do not show it.
	hostile bool
}{
	ProposalNotSynced:          {"the sequencer accepts a proposal and skips the fsync", []string{"S1", "S6", "L1"}, false},
	PreblockNotSynced:          {"the sequencer shows a preblock and skips the fsync", []string{"S1", "S6"}, false},
	ShowsBeforeStoring:         {"the sequencer shows a preblock before it is stored", []string{"S1", "S6"}, false},
	TakesTwoProposals:          {"the sequencer takes a second proposal for its open number", []string{"S1", "S5", "L1"}, false},
	AttestsTwoContents:         {"a keyholder signs another content for a number, after the sequencer lost the first", []string{"S1"}, false},
	AttestationNotSynced:       {"a keyholder gives an attestation and skips the fsync", []string{"S6"}, false},
	SharesBeforeTheCertificate: {"a keyholder gives shares for what no quorum has attested yet", []string{"S14"}, false},
	SharesBeforeFinality:       {"a keyholder gives shares for what is certified, and not locked by a quorum", []string{"S14"}, false},
	AttestsBeforeFinality:      {"a keyholder attests a number before the one before it is final", []string{"S17"}, true},
	LocksWithoutACertificate:   {"a keyholder locks what no quorum has attested", []string{"S17"}, true},
	LockNotSynced:              {"a keyholder locks and skips the fsync", []string{"S6"}, false},
	RestoredSignsAtOnce:        {"a keyholder that lost its votes signs at once", []string{"S17"}, true},
	RestoredSignsTooLow:        {"a keyholder that lost its votes signs for the highest certified number", []string{"S17"}, true},
	TakesOldTimestamps:         {"a keyholder attests a content that is older than the one before", []string{"S17"}, true},
	ExpiryOffByOne:             {"the last number at which a sealed transaction may be ordered is one later than it says", []string{"S17"}, true},
	LifetimeOffByOne:           {"the window of seqs forgets one number too early", []string{"S17"}, true},
	SkipsASeq:                  {"a sealed transaction is taken whose seq is later than the next", []string{"S17"}, true},
	IgnoresTheBaseFee:          {"a sealed transaction is taken that does not pay the base fee", []string{"S17"}, true},
	ForgetsTheWindow:           {"a leader proposes again what was sealed, after the sequencer and the keyholders forgot the window at a restart", []string{"S3"}, false},
	SkipsAPreblock:             {"the sequencer's stream leaves out numbers", []string{"L1", "S9"}, false},
	BlueprintNotSynced:         {"the blueprint log skips the fsync", []string{"S6"}, false},
	TransactionNotSynced:       {"a transaction is acknowledged and not synced", []string{"S3", "S6"}, false},
	AcknowledgesBeforeStoring:  {"a transaction is acknowledged before it is stored", []string{"S3"}, false},
	PopsBeforeApply:            {"a transaction leaves the pool when it is proposed", []string{"S4"}, false},
	PublishesBeforeApply:       {"a blueprint is published before it is applied", []string{"S11"}, false},
	PublishesOtherBytes:        {"after a restart a blueprint is published with another signature", []string{"S11"}, false},
	ForgetsTheTokenCheck:       {"tokens begin at 1 in a wiped Redis, and the blueprint log does not look at them", []string{"S12"}, false},
	TrustsALostLock:            {"a holder continues after its lease has ended", []string{"S12"}, false},
	TakesAHeldLock:             {"Redis gives a lock that is held", []string{"S12"}, false},
	ReusesAToken:               {"Redis gives the next holder the same token", []string{"S12"}, false},
	NeverReturnsTheLock:        {"a section ends and still renews its lock", []string{"L1"}, false},
	WrongParent:                {"a proposal builds on the block before the head", []string{"S1", "S2"}, false},
	TimestampGoesBack:          {"a proposal is older than the head", []string{"L1"}, false},
	ForgetsServedRequests:      {"a producer does not know which requests its log has served", []string{"L1", "S7"}, false},
	RenumbersItsRequest:        {"a section repeats its request under a new id each time", []string{"L1", "S7"}, false},
	LosesTheOneInFlight:        {"a proposer that takes over drops the record of the request in flight", []string{"S5", "S7"}, false},
	SubmitsTwice:               {"an attempt is submitted with two contents", []string{"S5"}, false},
	AwaitsTheNumberBefore:      {"a section waits for the number of the head, not the next one", []string{"L1"}, false},
	TellsBothEnds:              {"a request that got its preblock then gets the answer that there is none", []string{"S8"}, false},
	OverwritesAReason:          {"a request without a preblock gets two different reasons", []string{"S8"}, false},
	LabelsWithTheLastRequest:   {"a proposal carries the id of the previous request", []string{"S7"}, false},
	DropsAPreblock:             {"a monitor drops a preblock and says nothing", []string{"L1", "S9"}, false},
	SkipsReplayOfTheLast:       {"a producer starts without replaying its last record", []string{"S6"}, false},
	ExecutesDifferently:        {"a restarted producer gets other results from the same blocks", []string{"S10"}, false},
	ExecutesTwice:              {"a transaction is executed twice", []string{"S3"}, false},
	RecordsOtherContent:        {"the log's record has another content than the preblock", []string{"S1"}, false},
	StoresWhatItRefuses:        {"a refused transaction is stored", []string{"S13"}, false},
	AnswersAnotherBlock:        {"a request is answered with the head instead of its own block", []string{"S7", "S1"}, false},
	NeverServesAgain:           {"a process that was killed hangs when it starts", []string{"L2"}, false},
	NeverLeadsAgain:            {"a replica that lost a lease never competes for it again", []string{"L3"}, false},
	KeepsWhatIsExecuted:        {"transactions stay in the pool after their block was applied", []string{"L4"}, false},
	HangsOnShutdown:            {"a process ignores SIGTERM", []string{"L5"}, false},
	ForgetsWhatWaits:           {"a producer that starts forgets what waits for gas", []string{"S1", "S10"}, false},
	ReordersWhatWaits:          {"a producer that starts has what waits for gas in another order", []string{"S1", "S10"}, false},
	OvertakesWhatWaits:         {"a new content goes before what waits for gas", []string{"S1"}, false},
	WaitsForANonce:             {"what was opened waits until its nonce is due", []string{"S16"}, true},
	ForgetsBars:                {"a producer that starts forgets what is barred", []string{"S1", "S10"}, true},
	BarsEverything:             {"what ended is barred although another than its sender sealed it", []string{"S1", "S10"}, true},
	TakesASecondOutcome:        {"a monitor takes a preblock with another outcome than the content's", []string{"S1", "S10"}, true},
	LetsSealedWait:             {"what was opened waits for gas like other transactions", []string{"S16"}, false},
}

// Bugs are all defects there are.
func Bugs() (all []Bug) {
	for b := NoBug + 1; b < numBugs; b++ {
		all = append(all, b)
	}
	return all
}

func (b Bug) String() string {
	if b == NoBug {
		return "none"
	}
	return bugs[b].what
}

// Breaks lists invariants. The checker must report at least one of them as broken by the defect.
func (b Bug) Breaks() []string { return bugs[b].breaks }

func (w *world) bug(b Bug) bool { return w.plan.Bug == b && b != NoBug }
