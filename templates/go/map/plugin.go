// {{name}} appends a member "source" with the value of `--param source=...`.
package main

import (
	"encoding/json"
	"errors"
	"strings"
)

// apply is called with each record, which is the text of one JSON value. What it returns comes
// out in its place; false would drop the record. An error is shown to the user, who decides
// what becomes of records that are rejected.
func apply(record string) (string, bool, error) {
	source, given := param("source")
	if !given {
		return "", false, errors.New("the parameter `source` is missing (--param source=VALUE)")
	}
	// The members stay as they are written: numbers keep their digits.
	before, isObject := strings.CutSuffix(record, "}")
	if !isObject || !strings.HasPrefix(before, "{") {
		return "", false, errors.New("the record is not a JSON object")
	}
	before = strings.TrimRight(before, " \t\r\n")
	comma := ","
	if before == "{" {
		comma = ""
	}
	value, err := json.Marshal(source)
	if err != nil {
		return "", false, err
	}
	return before + comma + `"source":` + string(value) + "}", true, nil
}
