// {{name}} makes a record of each word of the member that `--param member=...` names.
package main

import (
	"encoding/json"
	"errors"
	"strings"
)

// made is what is made of a word.
type made struct {
	Word string `json:"word"`
}

// expand is called with each record, which is the text of one JSON value. The texts that it
// returns come out in its place; if there are none, the record is dropped. An error is shown
// to the user, who decides what becomes of records that are rejected.
func expand(record string) ([]string, error) {
	name, given := param("member")
	if !given {
		return nil, errors.New("the parameter `member` is missing (--param member=NAME)")
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(record), &object); err != nil {
		return nil, err
	}
	member, there := object[name]
	if !there {
		return nil, nil
	}
	var text string
	if err := json.Unmarshal(member, &text); err != nil {
		return nil, err
	}
	var lines []string
	for word := range strings.SplitSeq(text, " ") {
		if word == "" {
			continue
		}
		line, err := json.Marshal(made{word})
		if err != nil {
			return nil, err
		}
		lines = append(lines, string(line))
	}
	return lines, nil
}
