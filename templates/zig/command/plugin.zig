//! {{name}}: prints the lines that hold the word that `--arg` gives, as grep does.
//!
//! An ordinary program: each record is a line of standard input, and each line that it prints
//! is one. It is started anew for each part of the input, so it cannot count what it sees.

const std = @import("std");

pub fn main(init: std.process.Init) !void {
    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    if (arguments.len != 2) {
        // What goes to stderr is logged: --plugin-log stderr shows it.
        std.debug.print("there should be one word to look for: --arg WORD\n", .{});
        std.process.exit(2);
    }
    // A line has to fit into the buffer.
    const buffer = try init.gpa.alloc(u8, 8 << 20);
    var input = std.Io.File.stdin().readerStreaming(init.io, buffer);
    var printed: [64 << 10]u8 = undefined;
    var output = std.Io.File.stdout().writerStreaming(init.io, &printed);
    while (try input.interface.takeDelimiter('\n')) |line| {
        if (std.mem.indexOf(u8, line, arguments[1]) == null) continue;
        try output.interface.print("{s}\n", .{line});
    }
    try output.interface.flush();
}
