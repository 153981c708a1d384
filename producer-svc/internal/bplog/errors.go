package bplog

import "errors"

// ErrNotFound is a record the log does not have. What an append is refused for is said in package logrecord.
var ErrNotFound = errors.New("blueprint is not in the log")
