// {{name}} counts the records, and those whose member "type" is what `--param type=...` says.
package main

import (
	"encoding/json"
	"errors"
)

// event is what is read of a record. Members that are not named here are passed over.
type event struct {
	Type string `json:"type"`
}

// state is what is known of a stretch of the records. They are shared out among several
// instances of this plugin; each has a state of its own, and `host` merges them, in the order
// of the input.
type state struct {
	Records  uint64 `json:"records"`
	Matching uint64 `json:"matching"`
}

var own state

// add is called with each record, which is the text of one JSON value. An error is shown to
// the user, who decides what becomes of records that are rejected; the state has to be as
// before then.
func add(record string) error {
	wanted, given := param("type")
	if !given {
		return errors.New("the parameter `type` is missing (--param type=VALUE)")
	}
	var found event
	if err := json.Unmarshal([]byte(record), &found); err != nil {
		return err
	}
	own.Records++
	if found.Type == wanted {
		own.Matching++
	}
	return nil
}

// take gives the state of the records so far, as bytes. The next add is the first again.
func take() []byte {
	bytes, err := json.Marshal(own)
	if err != nil {
		panic(err)
	}
	own = state{}
	return bytes
}

// merge makes one state of two.
func merge(left, right []byte) ([]byte, error) {
	var one, other state
	if err := errors.Join(json.Unmarshal(left, &one), json.Unmarshal(right, &other)); err != nil {
		return nil, err
	}
	return json.Marshal(state{one.Records + other.Records, one.Matching + other.Matching})
}

// finish is called once, with the state of all records: what comes out.
func finish(bytes []byte) ([]string, error) {
	var all state
	if err := json.Unmarshal(bytes, &all); err != nil {
		return nil, err
	}
	line, err := json.Marshal(all)
	return []string{string(line)}, err
}
