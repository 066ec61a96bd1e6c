// Picks members and renames them: --param fields=id,actor.login:user. Values pass as they are
// written, and a member that is not there is left out.
package main

import (
	"errors"
	"strings"
)

// fields is what is wanted, once it is known.
var fields []field

// apply is called with each record, which is the text of one JSON value. What it returns comes
// out in its place; false would drop the record. An error is shown to the user, who decides
// what becomes of records that are rejected.
func apply(record string) (string, bool, error) {
	if fields == nil {
		text, given := param("fields")
		if !given {
			return "", false, errors.New("the parameter `fields` is missing (--param fields=id,actor.login:user)")
		}
		parsed, err := parseFields(text)
		if err != nil {
			return "", false, err
		}
		fields = parsed
	}
	found, err := find(record, fields)
	if err != nil {
		return "", false, err
	}
	var members []string
	for n, field := range fields {
		if found[n] != nil {
			members = append(members, quoted(field.name)+":"+string(found[n]))
		}
	}
	return "{" + strings.Join(members, ",") + "}", true, nil
}
