// Keeps the records whose value at a path is the wanted one: --param path=actor.login --param
// is=ann. A string is compared by what it says, anything else by its JSON.
package main

import "errors"

// path is what leads to the value, once it is known.
var path []field

// keep is called with each record, which is the text of one JSON value. True keeps it. An
// error is shown to the user, who decides what becomes of records that are rejected.
func keep(record string) (bool, error) {
	if path == nil {
		text, given := param("path")
		if !given {
			return false, errors.New("the parameter `path` is missing (--param path=actor.login)")
		}
		fields, err := parseFields(text)
		if err != nil {
			return false, err
		}
		path = fields
	}
	wanted, given := param("is")
	if !given || len(path) != 1 {
		return false, errors.New("one path and one value are wanted: --param path=actor.login --param is=ann")
	}
	found, err := find(record, path)
	if err != nil || found[0] == nil {
		return false, err
	}
	text, err := said(found[0])
	return text == wanted, err
}
