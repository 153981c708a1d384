// Command producer-svc owns the transaction pool, the blueprint log and the EVM state, and makes the blocks.
package main

import (
	"os"

	"blindseq/kit/service"
	producer "blindseq/producer-svc"
)

func main() {
	os.Exit(service.Main[producer.Config]("producer-svc",
		"Owns the transaction pool, the blueprint log and the EVM state, and makes the blocks.", producer.Run))
}
