// Finds a member of a JSON object without reading the rest of it. npm has JSON libraries for
// AssemblyScript for what records hold beyond that.

/**
 * The text between the quotes of the first member of this name, if that is a string, as it is
 * written there: with its escapes. Null if there is none. Members of inner objects are others.
 */
export function stringMember(record: string, name: string): string | null {
  let depth = 0;
  // Whether what comes next is the member's value.
  let named = false;
  for (let at = 0; at < record.length; at++) {
    switch (record.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        named = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
      case 0x2c: // ,
        named = false;
        break;
      case 0x22: { // "
        const first = ++at;
        while (at < record.length && record.charCodeAt(at) != 0x22) {
          at += record.charCodeAt(at) == 0x5c ? 2 : 1;
        }
        if (at >= record.length || depth != 1) break;
        const text = record.substring(first, at);
        if (named) return text;
        named = text == name && record.charCodeAt(passSpaces(record, at + 1)) == 0x3a; // :
        break;
      }
    }
  }
  return null;
}

function passSpaces(record: string, at: i32): i32 {
  while (at < record.length && record.charCodeAt(at) <= 0x20) at++;
  return at;
}
