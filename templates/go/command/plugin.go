// {{name}} prints the lines that hold the word that `--arg` gives, as grep does.
//
// It is an ordinary program: each record is a line of standard input, and each line that it
// prints is one. It is started anew for each part of the input, so it cannot count what it
// sees.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		// What goes to stderr is logged: --plugin-log stderr shows it.
		fmt.Fprintln(os.Stderr, "there should be one word to look for: --arg WORD")
		os.Exit(2)
	}
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for {
		line, err := input.ReadBytes('\n')
		if bytes.Contains(line, []byte(os.Args[1])) {
			output.Write(line)
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(err)
		}
	}
}
