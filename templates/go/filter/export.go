package main

//go:wasmexport keep
func callKeep(at, length uint32) uint32 {
	kept, err := keep(textAt(at, length))
	switch {
	case err != nil:
		return answerError(err)
	case kept:
		return answerValue(1)
	default:
		return answerValue(0)
	}
}

//go:wasmexport cabi_post_keep
func afterKeep(uint32) { freeAll() }
