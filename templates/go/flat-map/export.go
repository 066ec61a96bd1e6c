package main

//go:wasmexport expand
func callExpand(at, length uint32) uint32 {
	made, err := expand(textAt(at, length))
	if err != nil {
		return answerError(err)
	}
	return answerTexts(made)
}

//go:wasmexport cabi_post_expand
func afterExpand(uint32) { freeAll() }
