//! Picks members and renames them: --param fields=id,actor.login:user. Values pass as they are
//! written, and a member that is not there is left out.

const std = @import("std");
const host = @import("host.zig");
const members = @import("members.zig");

var wanted: ?[]const members.Field = null;

/// Called with each record, which is the text of one JSON value. What it returns comes out in
/// its place. The reason of an error is shown to the user, who decides what becomes of records
/// that are rejected.
fn apply(record: []const u8) anyerror!?[]const u8 {
    const fields = wanted orelse try members.parse(host.param("fields") orelse
        return host.reject("the parameter `fields` is missing (--param fields=id,actor.login:user)"));
    wanted = fields;
    var made: std.ArrayList(u8) = .empty;
    try made.append(host.memory, '{');
    for (fields, try members.find(record, fields)) |field, found| {
        const value = found orelse continue;
        if (made.items.len > 1) try made.append(host.memory, ',');
        try made.appendSlice(host.memory, try members.quoted(field.name));
        try made.append(host.memory, ':');
        try made.appendSlice(host.memory, value);
    }
    try made.append(host.memory, '}');
    return made.items;
}

pub const panic = host.panic;

comptime {
    host.exportMap(apply);
}
