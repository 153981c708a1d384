// Command monitor-svc merges the DSN's preblocks with the notices that there is none into one event for each request.
package main

import (
	"os"

	"blindseq/kit/service"
	monitor "blindseq/monitor-svc"
)

func main() {
	os.Exit(service.Main[monitor.Config]("monitor-svc",
		"Merges the DSN's preblocks with the notices that there is none into one event for each proposal request.", monitor.Run))
}
