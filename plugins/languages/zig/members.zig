//! Members of JSON objects, found by path and passed on as they are written.

const std = @import("std");
const host = @import("host.zig");

/// For what lasts longer than a record.
const lasting = std.heap.wasm_allocator;

/// A member that is wanted: the steps to it, and what it is called then.
pub const Field = struct { path: []const []const u8, name: []const u8 };

/// Reads a parameter like `id,actor.login:user`.
pub fn parse(text: []const u8) ![]const Field {
    var fields: std.ArrayList(Field) = .empty;
    var parts = std.mem.splitScalar(u8, try lasting.dupe(u8, text), ',');
    while (parts.next()) |part| {
        const no_path = "` is no path like `actor.login` or `actor.login:user`";
        var halves = std.mem.splitScalar(u8, part, ':');
        var path: std.ArrayList([]const u8) = .empty;
        var steps = std.mem.splitScalar(u8, halves.first(), '.');
        while (steps.next()) |step| {
            if (step.len == 0) return host.reject(host.join(&.{ "`", part, no_path }));
            try path.append(lasting, step);
        }
        const name = halves.next() orelse path.items[path.items.len - 1];
        if (name.len == 0 or halves.next() != null) return host.reject(host.join(&.{ "`", part, no_path }));
        for (fields.items) |field| {
            if (std.mem.eql(u8, field.name, name))
                return host.reject(host.join(&.{ "two fields are called `", name, "`" }));
        }
        try fields.append(lasting, .{ .path = path.items, .name = name });
    }
    return fields.items;
}

/// Finds the values in a record, as they are written; of two members with one name the last.
pub fn find(record: []const u8, fields: []const Field) ![]?[]const u8 {
    if (record.len == 0 or record[0] != '{') return host.reject("the record is not a JSON object");
    const names = try host.memory.alloc([]const u8, fields.len);
    for (names, fields) |*name, field| name.* = field.path[0];
    const found = try look(record, names);
    for (fields, found) |field, *value| {
        for (field.path[1..]) |step| {
            const outer = value.* orelse break;
            // What is no object has no members.
            value.* = if (outer[0] == '{') (try look(outer, &.{step}))[0] else null;
        }
    }
    return found;
}

/// The values of an object's members of these names, in one pass over it.
fn look(object: []const u8, names: []const []const u8) ![]?[]const u8 {
    const found = try host.memory.alloc(?[]const u8, names.len);
    @memset(found, null);
    var tokens: std.json.Scanner = .initCompleteInput(host.memory, object);
    _ = try tokens.next();
    while (true) {
        const called = switch (try tokens.nextAlloc(host.memory, .alloc_if_needed)) {
            .string, .allocated_string => |name| name,
            else => break,
        };
        _ = try tokens.peekNextTokenType();
        const first = tokens.cursor;
        try tokens.skipValue();
        for (names, found) |name, *value| {
            if (std.mem.eql(u8, name, called)) value.* = object[first..tokens.cursor];
        }
    }
    // There is nothing behind its end.
    if (try tokens.next() != .end_of_document) return error.SyntaxError;
    return found;
}

/// What a JSON string says; of anything else its text without white space between its tokens.
pub fn said(value: []const u8) ![]const u8 {
    if (value[0] == '"') return std.json.parseFromSliceLeaky([]const u8, host.memory, value, .{});
    return compact(value);
}

/// A value as it is compared with others: a string without needless escapes, anything else
/// without the white space between its tokens.
pub fn canonical(value: []const u8) ![]const u8 {
    if (value[0] != '"') return compact(value);
    if (std.mem.findScalar(u8, value, '\\') == null) return value;
    return quoted(try said(value));
}

/// A text as a JSON string.
pub fn quoted(text: []const u8) ![]const u8 {
    return std.json.Stringify.valueAlloc(host.memory, text, .{});
}

fn compact(value: []const u8) ![]const u8 {
    const made = try host.memory.alloc(u8, value.len);
    var length: usize = 0;
    var in_string = false;
    var escaped = false;
    for (value) |letter| {
        if (!in_string and std.mem.findScalar(u8, " \t\r\n", letter) != null) continue;
        if (letter == '"' and !escaped) in_string = !in_string;
        escaped = letter == '\\' and !escaped;
        made[length] = letter;
        length += 1;
    }
    return made[0..length];
}
