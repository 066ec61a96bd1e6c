//! {{name}}: makes a record of each word of the member that `--param member=...` names.

const std = @import("std");
const host = @import("host.zig");

/// Called with each record, which is the text of one JSON value. The texts that it returns
/// come out in its place; if there are none, the record is dropped. The reason of an error is
/// shown to the user, who decides what becomes of records that are rejected.
fn expand(record: []const u8) anyerror![]const []const u8 {
    const name = host.param("member") orelse
        return host.reject("the parameter `member` is missing (--param member=NAME)");
    const value = try std.json.parseFromSliceLeaky(std.json.Value, host.memory, record, .{});
    if (value != .object) return host.reject("the record is not a JSON object");
    const member = value.object.get(name) orelse return &.{};
    if (member != .string) return host.reject("the member is not a string");

    var made: std.ArrayList([]const u8) = .empty;
    var words = std.mem.tokenizeScalar(u8, member.string, ' ');
    while (words.next()) |word| {
        const line = try std.json.Stringify.valueAlloc(host.memory, .{ .word = word }, .{});
        try made.append(host.memory, line);
    }
    return made.items;
}

pub const panic = host.panic;

comptime {
    host.exportFlatMap(expand);
}
