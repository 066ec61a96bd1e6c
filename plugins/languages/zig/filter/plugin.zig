//! Keeps the records whose value at a path is the wanted one: --param path=actor.login --param
//! is=ann. A string is compared by what it says, anything else by its JSON.

const std = @import("std");
const host = @import("host.zig");
const members = @import("members.zig");

var path: ?[]const members.Field = null;

/// Called with each record, which is the text of one JSON value. True keeps it. The reason of
/// an error is shown to the user, who decides what becomes of records that are rejected.
fn keep(record: []const u8) anyerror!bool {
    const fields = path orelse try members.parse(host.param("path") orelse
        return host.reject("the parameter `path` is missing (--param path=actor.login)"));
    path = fields;
    const wanted = host.param("is");
    if (wanted == null or fields.len != 1)
        return host.reject("one path and one value are wanted: --param path=actor.login --param is=ann");
    const value = (try members.find(record, fields))[0] orelse return false;
    return std.mem.eql(u8, try members.said(value), wanted.?);
}

pub const panic = host.panic;

comptime {
    host.exportFilter(keep);
}
