//go:build unix

package secretfile

import (
	"io/fs"
	"syscall"
)

func ownerOf(info fs.FileInfo) owner {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return owner{}
	}
	return owner{user: int(stat.Uid), group: int(stat.Gid), known: true}
}
