// Command proposer-svc keeps the FIFO of proposal requests and submits one proposal at a time to the DSN.
package main

import (
	"os"

	"blindseq/kit/service"
	proposer "blindseq/proposer-svc"
)

func main() {
	os.Exit(service.Main[proposer.Config]("proposer-svc",
		"Keeps the FIFO of proposal requests and submits one proposal at a time to the DSN.", proposer.Run))
}
