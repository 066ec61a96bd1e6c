package main

//go:wasmexport apply
func callApply(at, length uint32) uint32 {
	made, stays, err := apply(textAt(at, length))
	switch {
	case err != nil:
		return answerError(err)
	case stays:
		at, length := keepText(made)
		return answerValue(1, at, length)
	default:
		return answerValue(0)
	}
}

//go:wasmexport cabi_post_apply
func afterApply(uint32) { freeAll() }
