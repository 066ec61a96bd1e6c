// Counts records by the value at a path, or at several: --param by=type or
// by=type,repo.name:repo. A record for each value comes out, in the order of their JSON:
// {"type":"PushEvent","count":190}. A member that is not there counts as null.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// counts is how often each key was met: the members that are counted by, as they stand in an
// object. The records are shared out among several instances of this plugin. Each counts for
// itself, and `host` merges what they have counted.
var counts = map[string]uint64{}

// by is what is counted by, once it is known.
var by []field

func keys() ([]field, error) {
	if by != nil {
		return by, nil
	}
	text, given := param("by")
	if !given {
		return nil, errors.New("the parameter `by` is missing (--param by=type)")
	}
	fields, err := parseFields(text)
	if err != nil {
		return nil, err
	}
	for _, field := range fields {
		if field.name == "count" {
			return nil, errors.New("a member called `count` needs another name: --param by=count:of")
		}
	}
	by = fields
	return by, nil
}

// add is called with each record, which is the text of one JSON value. An error is shown to
// the user, who decides what becomes of records that are rejected; the state has to be as
// before then.
func add(record string) error {
	fields, err := keys()
	if err != nil {
		return err
	}
	found, err := find(record, fields)
	if err != nil {
		return err
	}
	members := make([]string, len(fields))
	for n, field := range fields {
		value := "null"
		if found[n] != nil {
			if value, err = canonical(found[n]); err != nil {
				return err
			}
		}
		members[n] = quoted(field.name) + ":" + value
	}
	counts[strings.Join(members, ",")]++
	return nil
}

// state is what is handed over: what is counted by, and the counts.
type state struct {
	By     string
	Counts map[string]uint64
}

func write(counts map[string]uint64) []byte {
	text, _ := param("by")
	// Keys are text, and numbers too can be written.
	written, err := json.Marshal(state{text, counts})
	if err != nil {
		panic(err)
	}
	return written
}

func read(written []byte) (map[string]uint64, error) {
	var read state
	text, _ := param("by")
	if err := json.Unmarshal(written, &read); err != nil || read.By != text {
		return nil, errors.New("a state is none of this plugin with this parameter `by`")
	}
	return read.Counts, nil
}

// take gives the state of the records so far, as bytes. The next add is the first again.
func take() []byte {
	taken := counts
	counts = map[string]uint64{}
	return write(taken)
}

// merge makes one state of two.
func merge(left, right []byte) ([]byte, error) {
	merged, err := read(left)
	if err != nil {
		return nil, err
	}
	others, err := read(right)
	if err != nil {
		return nil, err
	}
	for key, count := range others {
		merged[key] += count
	}
	return write(merged), nil
}

// finish is called once, with the state of all records: what comes out.
func finish(bytes []byte) ([]string, error) {
	if _, err := keys(); err != nil {
		return nil, err
	}
	all, err := read(bytes)
	if err != nil {
		return nil, err
	}
	var made []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		made = append(made, fmt.Sprintf(`{%s,"count":%d}`, key, all[key]))
	}
	return made, nil
}
