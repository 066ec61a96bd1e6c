// Members of JSON objects, found by path. Records are read and what comes out is written by
// JavaScript's own JSON: a number comes out as JavaScript writes it, a string without needless
// escapes.

import { reject } from "./host.js";

/** Reads a parameter like `id,actor.login:user`: the steps to each member, and its name then. */
export function parse(text) {
  const fields = [];
  for (const part of text.split(",")) {
    const [steps, ...names] = part.split(":");
    const path = steps.split(".");
    const name = names.length ? names[0] : path.at(-1);
    if (path.includes("") || !name || names.length > 1) {
      reject(`\`${part}\` is no path like \`actor.login\` or \`actor.login:user\``);
    }
    if (fields.some((field) => field.name === name)) reject(`two fields are called \`${name}\``);
    fields.push({ path, name });
  }
  return fields;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** What a record holds. What is no JSON object is rejected. */
export function read(record) {
  let members;
  try {
    members = JSON.parse(record);
  } catch (error) {
    reject(error.message);
  }
  return isObject(members) ? members : reject("the record is not a JSON object");
}

/** The value at a path; undefined if there is none. */
export function find(members, path) {
  let value = members;
  for (const step of path) {
    // What is no object has no members, and what every object has in JavaScript is none.
    value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}
