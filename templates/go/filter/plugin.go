// {{name}} keeps the records whose member "type" is what `--param type=...` says.
package main

import (
	"encoding/json"
	"errors"
)

// event is what is read of a record. Members that are not named here are passed over.
type event struct {
	Type string `json:"type"`
}

// keep is called with each record, which is the text of one JSON value. True keeps it. An
// error is shown to the user, who decides what becomes of records that are rejected.
func keep(record string) (bool, error) {
	wanted, given := param("type")
	if !given {
		return false, errors.New("the parameter `type` is missing (--param type=VALUE)")
	}
	var found event
	if err := json.Unmarshal([]byte(record), &found); err != nil {
		return false, err
	}
	return found.Type == wanted, nil
}
