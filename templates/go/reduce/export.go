package main

import "unsafe"

//go:wasmexport add
func callAdd(at, length uint32) uint32 {
	if err := add(textAt(at, length)); err != nil {
		return answerError(err)
	}
	return answerValue()
}

//go:wasmexport cabi_post_add
func afterAdd(uint32) { freeAll() }

// The state where `host` reads it.
var taken [2]uint32

//go:wasmexport take
func callTake() uint32 {
	taken[0], taken[1] = keepBytes(take())
	return addressOf(unsafe.Pointer(&taken))
}

//go:wasmexport cabi_post_take
func afterTake(uint32) { freeAll() }

//go:wasmexport merge
func callMerge(left, leftLength, right, rightLength uint32) uint32 {
	merged, err := merge(bytesAt(left, leftLength), bytesAt(right, rightLength))
	if err != nil {
		return answerError(err)
	}
	at, length := keepBytes(merged)
	return answerValue(at, length)
}

//go:wasmexport cabi_post_merge
func afterMerge(uint32) { freeAll() }

//go:wasmexport finish
func callFinish(at, length uint32) uint32 {
	made, err := finish(bytesAt(at, length))
	if err != nil {
		return answerError(err)
	}
	return answerTexts(made)
}

//go:wasmexport cabi_post_finish
func afterFinish(uint32) { freeAll() }
