//go:build !unix

package secretfile

import "io/fs"

func ownerOf(fs.FileInfo) owner { return owner{} }
