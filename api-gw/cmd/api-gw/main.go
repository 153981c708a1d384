// Command api-gw serves the public API: REST, gRPC and Ethereum JSON-RPC.
package main

import (
	"os"

	apigw "blindseq/api-gw"
	"blindseq/kit/service"
)

func main() {
	os.Exit(service.Main[apigw.Config]("api-gw",
		"Serves blindseq's public API over REST and gRPC, and forwards Ethereum JSON-RPC to the leading producer.", apigw.Run))
}
