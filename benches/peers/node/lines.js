'use strict';
// The lines of a byte range of a file, and pieces of memory in which results are put together.

const fs = require('node:fs');

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

// One buffer for each process, used again for every read.
let buffer = Buffer.allocUnsafe(1 << 20);

// Read past the end of a range, to see the end of its last line in the same read.
const BEYOND = 16 << 10;

/**
 * Calls `use(bytes, from, to)` for each line of the range that is not blank. `from` and `to` enclose
 * the line without its newline; `bytes` is only valid during the call. An error of `use` names the line.
 *
 * A line belongs to the range in which its first byte lies, so that ranges may be cut anywhere.
 */
function eachLine(fd, start, end, use) {
  // Beginning one byte early tells a line that starts exactly at `start` from the middle of one.
  let position = Math.max(start - 1, 0);
  let inForeignLine = start > 0;
  let held = 0;
  for (;;) {
    if (held === buffer.length) {
      buffer = Buffer.concat([buffer], 2 * buffer.length); // a line longer than the buffer
    }
    const wanted = Math.max(end - position, 0) + BEYOND;
    const read = fs.readSync(fd, buffer, held, Math.min(wanted, buffer.length - held), position);
    position += read;
    const filled = held + read;
    const offset = position - filled; // of the buffer's first byte in the file
    let line = 0;
    while (inForeignLine || offset + line < end) {
      let newline = buffer.indexOf(NEWLINE, line);
      if (newline === -1 || newline >= filled) {
        if (read > 0 || line === filled) break;
        newline = filled; // the file's last line ends without one
      }
      if (inForeignLine) {
        inForeignLine = false;
      } else if (newline > line + 1 || (newline > line && buffer[line] !== CARRIAGE_RETURN)) {
        try {
          use(buffer, line, newline);
        } catch (fault) {
          throw new Error(`the line at byte ${offset + line}: ${fault.message}`);
        }
      }
      line = newline + 1;
    }
    if (read === 0 || (!inForeignLine && offset + line >= end)) return;
    buffer.copyWithin(0, line, filled);
    held = filled - line;
  }
}

/** Results put together in one piece of memory, each with a newline. */
class Results {
  #bytes = Buffer.allocUnsafe(2 << 20);
  length = 0;

  /** Adds some bytes as they are. */
  add(bytes, from, to) {
    this.#reserve(to - from + 1);
    bytes.copy(this.#bytes, this.length, from, to);
    this.#end(this.length + to - from);
  }

  /** Adds a text. */
  addText(text) {
    this.#reserve(3 * text.length + 1);
    this.#end(this.length + this.#bytes.write(text, this.length));
  }

  /** Everything added since the last call; valid until the next one adds something. */
  take() {
    const taken = this.#bytes.subarray(0, this.length);
    this.length = 0;
    return taken;
  }

  #reserve(length) {
    const wanted = this.length + length;
    if (wanted > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], 2 * wanted);
  }

  #end(at) {
    this.#bytes[at] = NEWLINE;
    this.length = at + 1;
  }
}

/** Writes all of `bytes` at the file's current position. */
function writeAll(fd, bytes) {
  for (let written = 0; written < bytes.length; ) {
    written += fs.writeSync(fd, bytes, written);
  }
}

module.exports = { eachLine, Results, writeAll };
