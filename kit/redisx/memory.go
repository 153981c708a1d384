package redisx

import (
	_ "embed"
)

// MemoryLua stands before the source of a script that remembers, under two keys, what ended. It has
//
//	recall(newer, older, id)                            the value of an id, or false
//	remember(newer, older, id, value, life in ms, most) remembers an id for its life, unless most others or more come after it
//
// Both keys are hashes, or are not there: a script has to see to that first.
//
//go:embed memory.lua
var MemoryLua string
