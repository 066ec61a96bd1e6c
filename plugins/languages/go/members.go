package main

// Members of JSON objects, found by path and passed on as they are written.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// field is a member that is wanted: the steps to it, and what it is called then.
type field struct {
	path []string
	name string
}

// parseFields reads a parameter like `id,actor.login:user`.
func parseFields(text string) ([]field, error) {
	var fields []field
	for _, part := range strings.Split(text, ",") {
		steps, name, named := strings.Cut(part, ":")
		path := strings.Split(steps, ".")
		if !named {
			name = path[len(path)-1]
		}
		if name == "" || strings.Contains(name, ":") {
			return nil, fmt.Errorf("`%s` is no path like `actor.login` or `actor.login:user`", part)
		}
		for _, step := range path {
			if step == "" {
				return nil, fmt.Errorf("`%s` is no path like `actor.login` or `actor.login:user`", part)
			}
		}
		for _, other := range fields {
			if other.name == name {
				return nil, fmt.Errorf("two fields are called `%s`", name)
			}
		}
		fields = append(fields, field{path, name})
	}
	return fields, nil
}

// find gives the values in a record as they are written, nil for what is not there; of two
// members with one name the last.
func find(record string, fields []field) ([]json.RawMessage, error) {
	if !strings.HasPrefix(record, "{") {
		return nil, errors.New("the record is not a JSON object")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(record), &members); err != nil {
		return nil, err
	}
	found := make([]json.RawMessage, len(fields))
	for n, field := range fields {
		value := members[field.path[0]]
		for _, step := range field.path[1:] {
			// What is no object has no members.
			var inner map[string]json.RawMessage
			if len(value) > 0 && value[0] == '{' {
				if err := json.Unmarshal(value, &inner); err != nil {
					return nil, err
				}
			}
			value = inner[step]
		}
		found[n] = value
	}
	return found, nil
}

// said is what a JSON string says; of anything else its text without white space between its
// tokens.
func said(value json.RawMessage) (string, error) {
	if value[0] == '"' {
		var text string
		err := json.Unmarshal(value, &text)
		return text, err
	}
	var compact bytes.Buffer
	err := json.Compact(&compact, value)
	return compact.String(), err
}

// canonical is a value as it is compared with others: a string without needless escapes,
// anything else without white space between its tokens.
func canonical(value json.RawMessage) (string, error) {
	text, err := said(value)
	if err == nil && value[0] == '"' {
		text = quoted(text)
	}
	return text, err
}

// quoted is a text as a JSON string.
func quoted(text string) string {
	var made bytes.Buffer
	encoder := json.NewEncoder(&made)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(made.String(), "\n")
}
