//! Counts records by the value at a path, or at several: --param by=type or
//! by=type,repo.name:repo. A record for each value comes out, in the order of their JSON:
//! {"type":"PushEvent","count":190}. A member that is not there counts as null.

const std = @import("std");
const host = @import("host.zig");
const members = @import("members.zig");

/// For what lasts longer than a record.
const lasting = std.heap.wasm_allocator;

/// The records are shared out among several instances of this plugin. Each counts for itself,
/// and `host` merges what they have counted. A key is the members that are counted by, as they
/// stand in an object.
var counts: std.StringHashMapUnmanaged(u64) = .empty;

var by: ?[]const members.Field = null;

fn keys() ![]const members.Field {
    if (by) |fields| return fields;
    const fields = try members.parse(host.param("by") orelse
        return host.reject("the parameter `by` is missing (--param by=type)"));
    for (fields) |field| {
        if (std.mem.eql(u8, field.name, "count"))
            return host.reject("a member called `count` needs another name: --param by=count:of");
    }
    by = fields;
    return fields;
}

/// Called with each record, which is the text of one JSON value. The reason of an error is
/// shown to the user, who decides what becomes of records that are rejected; the state has to
/// be as before then.
fn add(record: []const u8) anyerror!void {
    const fields = try keys();
    var key: std.ArrayList(u8) = .empty;
    for (fields, try members.find(record, fields)) |field, found| {
        if (key.items.len > 0) try key.append(host.memory, ',');
        try key.appendSlice(host.memory, try members.quoted(field.name));
        try key.append(host.memory, ':');
        try key.appendSlice(host.memory, if (found) |value| try members.canonical(value) else "null");
    }
    const entry = try counts.getOrPut(lasting, key.items);
    if (!entry.found_existing) {
        entry.key_ptr.* = try lasting.dupe(u8, key.items);
        entry.value_ptr.* = 0;
    }
    entry.value_ptr.* += 1;
}

// --- the state: a line that says what is counted by, then one for each key, in order ----------

const Entry = struct {
    key: []const u8,
    count: u64,

    fn before(_: void, one: Entry, other: Entry) bool {
        return std.mem.lessThan(u8, one.key, other.key);
    }
};

fn label() []const u8 {
    return host.join(&.{ "count-by ", host.param("by") orelse "", "\n" });
}

/// A state in the making.
const Writer = struct {
    text: std.ArrayList(u8) = .empty,

    fn begin() !Writer {
        var self: Writer = .{};
        try self.text.appendSlice(host.memory, label());
        return self;
    }

    fn add(self: *Writer, entry: Entry) !void {
        try self.text.print(host.memory, "{d} {s}\n", .{ entry.count, entry.key });
    }
};

/// The entries of a state, one by one.
const Reader = struct {
    lines: std.mem.SplitIterator(u8, .scalar),

    fn begin(state: []const u8) !Reader {
        const first = label();
        if (!std.mem.startsWith(u8, state, first))
            return host.reject("a state is none of this plugin with this parameter `by`");
        return .{ .lines = std.mem.splitScalar(u8, state[first.len..], '\n') };
    }

    fn next(self: *Reader) !?Entry {
        const line = self.lines.next() orelse return null;
        if (line.len == 0) return null;
        const space = std.mem.findScalar(u8, line, ' ') orelse return host.reject("the state is damaged");
        return .{ .count = try std.fmt.parseInt(u64, line[0..space], 10), .key = line[space + 1 ..] };
    }
};

/// Gives the state of the records so far, as bytes. The next `add` is the first again.
fn take() []const u8 {
    return taken() catch @panic("there is no memory left");
}

fn taken() ![]const u8 {
    const entries = try host.memory.alloc(Entry, counts.count());
    var each = counts.iterator();
    for (entries) |*entry| {
        const one = each.next().?;
        entry.* = .{ .key = one.key_ptr.*, .count = one.value_ptr.* };
    }
    std.mem.sort(Entry, entries, {}, Entry.before);
    var state: Writer = try .begin();
    for (entries) |entry| {
        try state.add(entry);
        lasting.free(entry.key);
    }
    counts.clearAndFree(lasting);
    return state.text.items;
}

/// Makes one state of two.
fn merge(left: []const u8, right: []const u8) anyerror![]const u8 {
    var ones: Reader = try .begin(left);
    var others: Reader = try .begin(right);
    var merged: Writer = try .begin();
    var one = try ones.next();
    var other = try others.next();
    while (one != null or other != null) {
        const order: std.math.Order = if (one == null)
            .gt
        else if (other == null)
            .lt
        else
            std.mem.order(u8, one.?.key, other.?.key);
        var entry = if (order == .gt) other.? else one.?;
        if (order == .eq) entry.count += other.?.count;
        try merged.add(entry);
        if (order != .gt) one = try ones.next();
        if (order != .lt) other = try others.next();
    }
    return merged.text.items;
}

/// Called once, with the state of all records: what comes out.
fn finish(state: []const u8) anyerror![]const []const u8 {
    _ = try keys();
    var entries: Reader = try .begin(state);
    var made: std.ArrayList([]const u8) = .empty;
    while (try entries.next()) |entry| {
        const line = try std.fmt.allocPrint(host.memory, "{{{s},\"count\":{d}}}", .{ entry.key, entry.count });
        try made.append(host.memory, line);
    }
    return made.items;
}

pub const panic = host.panic;

comptime {
    host.exportReduce(add, take, merge, finish);
}
