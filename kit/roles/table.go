package roles

// What is served over HTTP is one method for the table: all JSON-RPC of a producer, its feed of blueprints, and the origin's protocol.
const (
	ProducerRPC     = "http:producer/rpc"
	ProducerFeed    = "http:producer/evm"
	SequencerOrigin = "http:sequencer/origin"
)

// anybody has a certificate with a role.
var anybody = All()

// table has who may call each method. What it does not name, nobody may call.
var table = map[string][]Role{
	// Keyholders answer the sequencer, and nobody else: whoever could ask for attestations could bind them to contents that
	// are never decided.
	"/blindseq.keyholder.v1.KeyholderService/Attest":        {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/Lock":          {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/ReleaseShares": {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/Adopt":         {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/Report":        {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/Restore":       {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/GetAttested":   {Sequencer},
	"/blindseq.keyholder.v1.KeyholderService/ChangeView":    {Operator},
	"/blindseq.keyholder.v1.KeyholderService/GetStatus":     {Sequencer, Operator},

	// The participants of a ceremony are keyholders to be.
	"/blindseq.dkg.v1.CeremonyService/Deliver": {Keyholder},

	"/blindseq.dsn.v1.SequencerService/SubmitProposal":  {Proposer},
	"/blindseq.dsn.v1.SequencerService/GetPreblock":     {Proposer, Monitor, Operator},
	"/blindseq.dsn.v1.SequencerService/StreamPreblocks": {Monitor, Operator},
	"/blindseq.dsn.v1.SequencerService/StreamFinal":     {Monitor, Operator},
	"/blindseq.dsn.v1.SequencerService/GetStatus":       {Proposer, Monitor, Operator},

	"/blindseq.preblock.v1.MonitorService/Next":             {Producer},
	"/blindseq.preblock.v1.MonitorService/NotifyNoPreblock": {Proposer},
	"/blindseq.preblock.v1.MonitorService/GetPreblock":      {Gateway, Producer, Observer, Operator},
	"/blindseq.preblock.v1.MonitorService/StreamPreblocks":  {Producer, Observer, Operator},
	"/blindseq.preblock.v1.MonitorService/StreamFinal":      {Producer, Observer, Operator},
	"/blindseq.preblock.v1.MonitorService/GetStatus":        {Gateway, Producer, Observer, Operator},

	"/blindseq.proposal.v1.ProposerService/RequestProposal": {Producer},
	"/blindseq.proposal.v1.ProposerService/NotifyProcessed": {Producer},
	"/blindseq.proposal.v1.ProposerService/ListProposals":   {Gateway, Operator},
	"/blindseq.proposal.v1.ProposerService/GetStatus":       {Gateway, Operator},

	"/blindseq.blueprint.v1.ProducerService/ProduceBlock":       {Gateway},
	"/blindseq.blueprint.v1.ProducerService/GetProposalContent": {Proposer},
	"/blindseq.blueprint.v1.ProducerService/GetBlueprint":       {Gateway, Producer, Observer, Operator, Client},
	"/blindseq.blueprint.v1.ProducerService/StreamBlueprints":   {Gateway, Operator, Client},
	"/blindseq.blueprint.v1.ProducerService/FollowTransaction":  {Gateway, Operator},
	"/blindseq.blueprint.v1.ProducerService/GetStatus":          {Gateway, Operator},

	"/blindseq.blueprint.v1.AdminService/LockPool":              {Gateway, Operator},
	"/blindseq.blueprint.v1.AdminService/UnlockPool":            {Gateway, Operator},
	"/blindseq.blueprint.v1.AdminService/AddDelayedTransaction": {Gateway, Operator},
	"/blindseq.blueprint.v1.AdminService/DropTransactions":      {Gateway, Operator},

	// A standby is sent what was acknowledged. Replicas that do not stand by hand in what they were sent.
	"/blindseq.replication.v1.ReplicationService/Replicate": {Producer},
	"/blindseq.replication.v1.ReplicationService/Submit":    {Producer, Observer},

	// Bundlers of one operator read each other's plain transactions.
	"/blindseq.bundler.v1.PeerService/Join":            {Bundler},
	"/blindseq.bundler.v1.PeerService/SendTransaction": {Bundler},
	"/blindseq.bundler.v1.PeerService/GetNextNonce":    {Bundler},
	"/blindseq.bundler.v1.PeerService/FindTransaction": {Bundler},
	"/blindseq.bundler.v1.PeerService/Follow":          {Bundler},

	// The public API. What changes something needs the gateway's token besides.
	"/blindseq.gateway.v1.GatewayService/ProduceBlock":          {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/GetStatus":             {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/GetBlueprint":          {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/StreamBlueprints":      {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/FollowTransaction":     {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/GetPreblock":           {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/ListProposals":         {Client, Operator},
	"/blindseq.gateway.v1.GatewayService/LockPool":              {Operator},
	"/blindseq.gateway.v1.GatewayService/DropTransactions":      {Operator},
	"/blindseq.gateway.v1.GatewayService/UnlockPool":            {Operator},
	"/blindseq.gateway.v1.GatewayService/AddDelayedTransaction": {Client, Operator},

	ProducerRPC:  {Gateway, Bundler, Operator},
	ProducerFeed: {Client, Operator},

	// It needs its token besides.
	SequencerOrigin: {Client, Operator},

	"/grpc.health.v1.Health/Check": anybody,
	"/grpc.health.v1.Health/List":  anybody,
	"/grpc.health.v1.Health/Watch": anybody,

	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      {Operator},
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": {Operator},
}

// Methods are the methods that the table names.
func Methods() []string {
	all := make([]string, 0, len(table))
	for method := range table {
		all = append(all, method)
	}
	return all
}
