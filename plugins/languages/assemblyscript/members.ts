// Members of JSON objects, found by path and taken as they are written: values, and names too.
// Only the structure of a record is followed; whether a number is one is not looked at.

import { param, reject } from "./host";

/** A member that is wanted: the steps to it, and what it is called then. */
export class Field {
  constructor(public path: string[], public name: string) {}
}

/** Reads a path like `actor.login` or `actor.login:user`; null if it is none. */
function parse(part: string): Field | null {
  const halves = part.split(":");
  const path = halves[0].split(".");
  // Without a name of its own it is called like the last step.
  const name = halves.length > 1 ? halves[1] : path[path.length - 1];
  if (halves.length > 2 || name.length == 0 || path.includes("")) return null;
  return new Field(path, name);
}

let known: Field[] | null = null;

/**
 * Reads a parameter that has such paths, with commas between, once and for all. If it is missing
 * or wrong the record is rejected, and there are none.
 */
export function fieldsOf(parameter: string, ifMissing: string): Field[] | null {
  if (known !== null) return known;
  const given = param(parameter);
  if (given === null) {
    reject(ifMissing);
    return null;
  }
  const fields: Field[] = [];
  const parts = given.split(",");
  for (let n = 0; n < parts.length; n++) {
    const field = parse(parts[n]);
    if (field === null) {
      reject(`\`${parts[n]}\` is no path like \`actor.login\` or \`actor.login:user\``);
      return null;
    }
    for (let m = 0; m < n; m++) {
      if (fields[m].name == field.name) {
        reject(`two fields are called \`${field.name}\``);
        return null;
      }
    }
    fields.push(field);
  }
  known = fields;
  return known;
}

function isSpace(letter: i32): bool {
  return letter == 0x20 || letter == 0x09 || letter == 0x0d || letter == 0x0a;
}

function pastSpace(text: string, at: i32): i32 {
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** Where the string ends that has begun before; -1 if it does not. */
function pastString(text: string, at: i32): i32 {
  for (; at < text.length; at++) {
    const letter = text.charCodeAt(at);
    if (letter == 0x22) return at + 1; // "
    if (letter < 0x20) return -1;
    if (letter == 0x5c) at++; // \
  }
  return -1;
}

/** Where the value ends that begins here; -1 if it does not. */
function pastValue(text: string, at: i32): i32 {
  let depth = 0;
  while (at < text.length) {
    switch (text.charCodeAt(at++)) {
      case 0x22: // "
        at = pastString(text, at);
        if (at < 0) return -1;
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
      default:
        if (depth) continue;
        while (at < text.length && !endsValue(text.charCodeAt(at))) at++;
    }
    if (depth <= 0) return depth == 0 ? at : -1;
  }
  return -1;
}

/** Whether a number or a word ends before this letter: one of , : ] } or a space. */
function endsValue(letter: i32): bool {
  return letter == 0x2c || letter == 0x3a || letter == 0x5d || letter == 0x7d || isSpace(letter);
}

/**
 * Finds the values of an object's members of these names, as they are written, in one pass over it;
 * of two members with one name the last, of none null. False if this is no object.
 */
function look(object: string, names: string[], found: (string | null)[]): bool {
  if (object.charCodeAt(0) != 0x7b) return false; // {
  let at = pastSpace(object, 1);
  const isEmpty = at < object.length && object.charCodeAt(at) == 0x7d; // }
  while (!isEmpty) {
    if (at >= object.length || object.charCodeAt(at) != 0x22) return false; // "
    const quote = at;
    at = pastString(object, at + 1);
    if (at < 0) return false;
    const length = at - quote - 2;
    at = pastSpace(object, at);
    if (at >= object.length || object.charCodeAt(at) != 0x3a) return false; // :
    const first = pastSpace(object, at + 1);
    at = pastValue(object, first);
    if (at < 0) return false;
    for (let n = 0; n < names.length; n++) {
      if (length == names[n].length && object.startsWith(names[n], quote + 1)) {
        found[n] = object.substring(first, at);
      }
    }
    at = pastSpace(object, at);
    if (at >= object.length) return false;
    if (object.charCodeAt(at) == 0x7d) break; // }
    if (object.charCodeAt(at) != 0x2c) return false; // ,
    at = pastSpace(object, at + 1);
  }
  return at + 1 == object.length;
}

/**
 * Finds the values in a record: one for each field, null where there is none. What is no JSON
 * object is rejected, and has none.
 */
export function find(record: string, fields: Field[]): (string | null)[] | null {
  const names: string[] = [];
  const found: (string | null)[] = [];
  for (let n = 0; n < fields.length; n++) {
    names.push(fields[n].path[0]);
    found.push(null);
  }
  if (!look(record, names, found)) {
    reject("the record is not a JSON object");
    return null;
  }
  for (let n = 0; n < fields.length; n++) {
    const path = fields[n].path;
    let value = found[n];
    for (let m = 1; m < path.length && value !== null; m++) {
      // What is no object has no members.
      const inner: (string | null)[] = [null];
      value = look(value, [path[m]], inner) ? inner[0] : null;
    }
    found[n] = value;
  }
  return found;
}

/** A value without the white space between its tokens. */
export function compact(value: string): string {
  let made = "";
  let at = 0;
  while (at < value.length) {
    const first = at;
    while (at < value.length && !isSpace(value.charCodeAt(at))) {
      at = value.charCodeAt(at) == 0x22 ? pastString(value, at + 1) : at + 1;
    }
    made += value.substring(first, at);
    at = pastSpace(value, at);
  }
  return made;
}
