package main

// What lies between `host` and a plugin in Go: parameters, the log, memory. Which functions
// `host` calls is in export.go. There is nothing in these two to change; plugin.go is yours.

import "unsafe"

// param gives the value of `--param NAME=VALUE`, and whether it was given.
func param(name string) (string, bool) {
	var result struct{ given, at, length uint32 }
	paramsGet(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)), unsafe.Pointer(&result))
	if result.given == 0 {
		return "", false
	}
	return string(bytesAt(result.at, result.length)), true
}

type level uint32

const (
	logError level = iota
	logWarn
	logInfo
	logDebug
	logTrace
)

// logLine logs a line, which `--plugin-log stderr` shows.
func logLine(level level, line string) {
	logWrite(uint32(level), unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

//go:wasmimport host:plugin/params@0.1.0 get
func paramsGet(at unsafe.Pointer, length uint32, result unsafe.Pointer)

//go:wasmimport host:plugin/log@0.1.0 write
func logWrite(level uint32, at unsafe.Pointer, length uint32)

// What `host` has been given or has asked for is kept here until a call is done with: Go's
// garbage collector does not see that it is in use.
var kept []any

// cabi_realloc gives `host` memory for what it passes: always new, or more of what was just
// given.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old, oldLength, align, length uint32) uint32 {
	// Of whole numbers, so that it begins where one can.
	words := make([]uint64, length/8+1)
	kept = append(kept, words)
	at := addressOf(unsafe.Pointer(&words[0]))
	copy(bytesAt(at, length), bytesAt(old, oldLength))
	return at
}

func addressOf(pointer unsafe.Pointer) uint32 {
	return uint32(uintptr(pointer))
}

// bytesAt gives bytes where they lie. They stay there until the call is done with.
func bytesAt(at, length uint32) []byte {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(uintptr(at))), length)
}

// textAt copies a text, which can then be kept for any time.
func textAt(at, length uint32) string {
	return string(bytesAt(at, length))
}

// An answer where `host` reads it: whether it is an error, then its text or the value.
var answer [4]uint32

func answerAddress() uint32 {
	return addressOf(unsafe.Pointer(&answer))
}

func answerError(why error) uint32 {
	at, length := keepText(why.Error())
	answer = [4]uint32{1, at, length}
	return answerAddress()
}

func answerValue(words ...uint32) uint32 {
	answer = [4]uint32{}
	copy(answer[1:], words)
	return answerAddress()
}

func answerTexts(texts []string) uint32 {
	list := make([]uint32, 0, 2*len(texts)+1)
	for _, text := range texts {
		at, length := keepText(text)
		list = append(list, at, length)
	}
	kept = append(kept, list)
	return answerValue(addressOf(unsafe.Pointer(unsafe.SliceData(list))), uint32(len(texts)))
}

func keepText(text string) (at, length uint32) {
	kept = append(kept, text)
	return addressOf(unsafe.Pointer(unsafe.StringData(text))), uint32(len(text))
}

func keepBytes(bytes []byte) (at, length uint32) {
	kept = append(kept, bytes)
	return addressOf(unsafe.Pointer(unsafe.SliceData(bytes))), uint32(len(bytes))
}

// freeAll is called when an answer has been read.
func freeAll() {
	clear(kept)
	kept = kept[:0]
}

// A plugin has no main; it is called from outside.
func main() {}
