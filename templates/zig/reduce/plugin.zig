//! {{name}}: counts the records, and those whose member "type" is what `--param type=...`
//! says.

const std = @import("std");
const host = @import("host.zig");

/// What a record is read as. Members that are not named here are passed over.
const Event = struct { type: ?[]const u8 = null };

/// The records are shared out among several instances of this plugin. Each has a state of its
/// own, and `host` merges them, in the order of the input.
const State = extern struct { records: u64 = 0, matching: u64 = 0 };

var own: State = .{};

/// Called with each record, which is the text of one JSON value. The reason of an error is
/// shown to the user, who decides what becomes of records that are rejected; the state has to
/// be as before then.
fn add(record: []const u8) anyerror!void {
    const wanted = host.param("type") orelse
        return host.reject("the parameter `type` is missing (--param type=VALUE)");
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const event = try std.json.parseFromSliceLeaky(Event, host.memory, record, options);
    own.records += 1;
    if (event.type) |found| own.matching += @intFromBool(std.mem.eql(u8, found, wanted));
}

/// Gives the state of the records so far, as bytes. The next `add` is the first again.
fn take() []const u8 {
    defer own = .{};
    return host.join(&.{std.mem.asBytes(&own)});
}

/// Makes one state of two.
fn merge(left: []const u8, right: []const u8) anyerror![]const u8 {
    const one = try read(left);
    const other = try read(right);
    const merged: State = .{
        .records = one.records + other.records,
        .matching = one.matching + other.matching,
    };
    return host.join(&.{std.mem.asBytes(&merged)});
}

/// Called once, with the state of all records: what comes out.
fn finish(bytes: []const u8) anyerror![]const []const u8 {
    const line = try std.json.Stringify.valueAlloc(host.memory, try read(bytes), .{});
    return host.memory.dupe([]const u8, &.{line});
}

/// The state that bytes hold.
fn read(bytes: []const u8) !State {
    if (bytes.len != @sizeOf(State)) return host.reject("the state is none of this plugin");
    return std.mem.bytesToValue(State, bytes);
}

pub const panic = host.panic;

comptime {
    host.exportReduce(add, take, merge, finish);
}
