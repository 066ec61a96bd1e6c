//! {{name}}: keeps the records whose member "type" is what `--param type=...` says.

const std = @import("std");
const host = @import("host.zig");

/// What a record is read as. Members that are not named here are passed over.
const Event = struct { type: ?[]const u8 = null };

/// Called with each record, which is the text of one JSON value. True keeps it. The reason of
/// an error is shown to the user, who decides what becomes of records that are rejected.
fn keep(record: []const u8) anyerror!bool {
    const wanted = host.param("type") orelse
        return host.reject("the parameter `type` is missing (--param type=VALUE)");
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const event = try std.json.parseFromSliceLeaky(Event, host.memory, record, options);
    return std.mem.eql(u8, event.type orelse return false, wanted);
}

pub const panic = host.panic;

comptime {
    host.exportFilter(keep);
}
