//! {{name}}: appends a member "source" with the value of `--param source=...`.

const std = @import("std");
const host = @import("host.zig");

/// Called with each record, which is the text of one JSON value. What it returns comes out in
/// its place; null would drop the record. The reason of an error is shown to the user, who
/// decides what becomes of records that are rejected.
fn apply(record: []const u8) anyerror!?[]const u8 {
    const source = host.param("source") orelse
        return host.reject("the parameter `source` is missing (--param source=VALUE)");
    // A record has no space around it.
    if (record.len < 2 or record[0] != '{' or record[record.len - 1] != '}')
        return host.reject("the record is not a JSON object");
    const before = std.mem.trimEnd(u8, record[0 .. record.len - 1], " \t\r\n");
    const comma = if (before.len == 1) "" else ",";
    const value = try std.json.Stringify.valueAlloc(host.memory, source, .{});
    return host.join(&.{ before, comma, "\"source\":", value, "}" });
}

pub const panic = host.panic;

comptime {
    host.exportMap(apply);
}
