package committeetest

// Splice returns b with cut bytes from a place replaced by others, for fuzz targets that change what only this process can
// make: the keys of a committee are drawn anew in each.
func Splice(b []byte, at, cut uint32, others []byte) []byte {
	from := int(at) % (len(b) + 1)
	to := min(len(b), from+int(cut))
	return append(append(append(make([]byte, 0, len(b)+len(others)), b[:from]...), others...), b[to:]...)
}
