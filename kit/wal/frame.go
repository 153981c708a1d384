package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is one record on disk, integers little-endian:
//
//	magic(4) length(4) number(8) crc32c(payload)(4) crc32c(salt || the 20 bytes before)(4) payload(length)
//
// The salt is the segment's: record contents come from outside, and the author of a record must not be able to put
// bytes in it that look like a frame header when the frame around them is torn.
const (
	frameMagic      = 0xB5F0A31E
	frameHeaderSize = 24
	saltSize        = 8
)

type salt [saltSize]byte

type frameHeader struct {
	length     uint32
	number     uint64
	payloadCRC uint32
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once by the standard library

func headerCRC(s salt, header []byte) uint32 {
	return crc32.Update(crc32.Checksum(s[:], castagnoli()), castagnoli(), header)
}

// appendFrame appends the frame of a record to buf.
func appendFrame(buf []byte, s salt, number uint64, payload []byte) []byte {
	start := len(buf)
	buf = binary.LittleEndian.AppendUint32(buf, frameMagic)
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(payload)))
	buf = binary.LittleEndian.AppendUint64(buf, number)
	buf = binary.LittleEndian.AppendUint32(buf, crc32.Checksum(payload, castagnoli()))
	buf = binary.LittleEndian.AppendUint32(buf, headerCRC(s, buf[start:]))
	return append(buf, payload...)
}

// decodeHeader reads a frame header from the beginning of b; false when b does not begin with a sound one.
func decodeHeader(s salt, b []byte) (frameHeader, bool) {
	if len(b) < frameHeaderSize || binary.LittleEndian.Uint32(b) != frameMagic {
		return frameHeader{}, false
	}
	if binary.LittleEndian.Uint32(b[20:]) != headerCRC(s, b[:20]) {
		return frameHeader{}, false
	}
	return frameHeader{
		length:     binary.LittleEndian.Uint32(b[4:]),
		number:     binary.LittleEndian.Uint64(b[8:]),
		payloadCRC: binary.LittleEndian.Uint32(b[16:]),
	}, true
}

// decodeFrame returns the payload of a whole frame; false when anything in it is not as it was written.
func decodeFrame(s salt, number uint64, b []byte) ([]byte, bool) {
	h, ok := decodeHeader(s, b)
	if !ok || h.number != number || int64(h.length) != int64(len(b)-frameHeaderSize) {
		return nil, false
	}
	payload := b[frameHeaderSize:]
	return payload, crc32.Checksum(payload, castagnoli()) == h.payloadCRC
}
