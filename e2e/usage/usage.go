// Package usage reads what processes have used of the machine (Linux).
package usage

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// Sample is what a process has used up to now.
type Sample struct {
	CPU      time.Duration // user and system, of all its threads
	Resident int64         // bytes in memory now
	Peak     int64         // the most bytes it ever had in memory
}

// Of reads the sample of a process.
func Of(pid int) (s Sample, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, fmt.Errorf("read usage: %w", err)
	}
	// The second field, the name in parentheses, may hold spaces; utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return s, fmt.Errorf("read usage of process %d: /proc shows %d fields", pid, len(fields))
	}
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return s, fmt.Errorf("read usage of process %d: %w", pid, err)
		}
		s.CPU += time.Duration(n) * tick
	}
	s.Resident, s.Peak, err = memory(pid)
	return s, err
}

func memory(pid int) (resident, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read memory of process %d: %w", pid, err)
		}
		switch f[0] {
		case "VmRSS:":
			resident = n << 10
		case "VmHWM:":
			peak = n << 10
		}
	}
	return resident, peak, nil
}
