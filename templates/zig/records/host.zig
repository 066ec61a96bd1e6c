//! What lies between `host` and a plugin in Zig: memory, parameters, the log, and the
//! functions that `host` calls. There is nothing in here to change; plugin.zig is yours.

const std = @import("std");

// --- memory -------------------------------------------------------------------------------

var arena: std.heap.ArenaAllocator = .init(std.heap.wasm_allocator);

/// Memory that lasts until the record is done with, and is then freed at once: nothing has to
/// be given back. What is to last longer needs an allocator of its own.
pub const memory = arena.allocator();

fn noMemory() noreturn {
    @panic("there is no memory left");
}

/// One text of several, in such memory.
pub fn join(parts: []const []const u8) []u8 {
    return std.mem.concat(memory, u8, parts) catch noMemory();
}

// --- what a plugin can ask for ------------------------------------------------------------

const imports = struct {
    extern "host:plugin/params@0.1.0" fn get(at: [*]const u8, length: usize, result: *Param) void;
    extern "host:plugin/log@0.1.0" fn write(level: Level, at: [*]const u8, length: usize) void;
};

const Param = extern struct { given: u32, at: [*]const u8, length: usize };

/// The value of `--param NAME=VALUE`, if it was given.
pub fn param(name: []const u8) ?[]const u8 {
    var result: Param = undefined;
    imports.get(name.ptr, name.len, &result);
    return if (result.given == 0) null else result.at[0..result.length];
}

pub const Level = enum(u32) { @"error", warn, info, debug, trace };

/// Logs a line, which `--plugin-log stderr` shows.
pub fn log(level: Level, line: []const u8) void {
    imports.write(level, line.ptr, line.len);
}

/// Says why this record cannot be processed: `return host.reject("...")`. Any other error
/// rejects the record too, by its name.
pub fn reject(why: []const u8) error{Rejected} {
    reason = why;
    return error.Rejected;
}

var reason: []const u8 = "";

/// Has the message of a panic logged; a plugin names this as its own `panic`.
pub const panic = std.debug.FullPanic(struct {
    fn panicked(message: []const u8, _: ?usize) noreturn {
        log(.@"error", message);
        @trap();
    }
}.panicked);

// --- what `host` calls --------------------------------------------------------------------

/// A text or a list where `host` reads it.
const Stretch = extern struct {
    at: [*]const u8,
    length: usize,

    fn of(items: anytype) Stretch {
        // Where there is nothing, Zig's pointer may point to where there is no memory either.
        return .{ .at = if (items.len == 0) "" else @ptrCast(items.ptr), .length = items.len };
    }
};

/// An answer where `host` reads it: whether it is an error, then its text or the value.
const Answer = extern struct {
    is_error: u32 = 0,
    value: extern union {
        nothing: u32,
        why: Stretch,
        keep: u32,
        list: Stretch,
        option: extern struct { is_some: u32, text: Stretch },
    } = .{ .nothing = 0 },

    fn failed(mistake: anyerror) Answer {
        const why = if (mistake == error.Rejected) reason else @errorName(mistake);
        return .{ .is_error = 1, .value = .{ .why = .of(why) } };
    }
};

var answer: Answer = .{};
var state: Stretch = undefined;

fn answered(value: Answer) *const Answer {
    answer = value;
    return &answer;
}

/// The texts of a list, where `host` reads them.
fn listed(texts: []const []const u8) Answer {
    const list = memory.alloc(Stretch, texts.len) catch noMemory();
    for (list, texts) |*stretch, text| stretch.* = .of(text);
    return .{ .value = .{ .list = .of(list) } };
}

/// `host` asks for memory for what it passes: always new, or more of what was just given.
export fn cabi_realloc(old: [*]u8, old_length: usize, _: usize, length: usize) [*]u8 {
    const new = memory.alignedAlloc(u8, .@"8", length) catch noMemory();
    const same = @min(old_length, length);
    @memcpy(new[0..same], old[0..same]);
    return new.ptr;
}

/// Called when an answer has been read.
fn after(_: *const anyopaque) callconv(.c) void {
    _ = arena.reset(.retain_capacity);
}

fn exportAs(comptime name: []const u8, comptime function: anytype) void {
    @export(&function, .{ .name = name });
    @export(&after, .{ .name = "cabi_post_" ++ name });
}

/// `keep(record)`: whether the record stays.
pub fn exportFilter(comptime keep: fn ([]const u8) anyerror!bool) void {
    exportAs("keep", struct {
        fn call(at: [*]const u8, length: usize) callconv(.c) *const Answer {
            const kept = keep(at[0..length]) catch |mistake| return answered(.failed(mistake));
            return answered(.{ .value = .{ .keep = @intFromBool(kept) } });
        }
    }.call);
}

/// `apply(record)`: what stands in its place; null drops the record.
pub fn exportMap(comptime apply: fn ([]const u8) anyerror!?[]const u8) void {
    exportAs("apply", struct {
        fn call(at: [*]const u8, length: usize) callconv(.c) *const Answer {
            const made = apply(at[0..length]) catch |mistake| return answered(.failed(mistake));
            const text: Stretch = .of(made orelse "");
            const is_some = @intFromBool(made != null);
            return answered(.{ .value = .{ .option = .{ .is_some = is_some, .text = text } } });
        }
    }.call);
}

/// `expand(record)`: the records that come of this one.
pub fn exportFlatMap(comptime expand: fn ([]const u8) anyerror![]const []const u8) void {
    exportAs("expand", struct {
        fn call(at: [*]const u8, length: usize) callconv(.c) *const Answer {
            const made = expand(at[0..length]) catch |mistake| return answered(.failed(mistake));
            return answered(listed(made));
        }
    }.call);
}

/// `add(record)` folds a record into the state.
/// `take()` gives the state, as bytes, and begins an empty one.
/// `merge(left, right)` makes one state of two; `left` is of earlier records.
/// `finish(state)` gives the records that are to come out.
pub fn exportReduce(
    comptime add: fn ([]const u8) anyerror!void,
    comptime take: fn () []const u8,
    comptime merge: fn ([]const u8, []const u8) anyerror![]const u8,
    comptime finish: fn ([]const u8) anyerror![]const []const u8,
) void {
    const calls = struct {
        fn callAdd(at: [*]const u8, length: usize) callconv(.c) *const Answer {
            add(at[0..length]) catch |mistake| return answered(.failed(mistake));
            return answered(.{});
        }
        fn callTake() callconv(.c) *const Stretch {
            state = .of(take());
            return &state;
        }
        fn callMerge(
            left: [*]const u8,
            left_length: usize,
            right: [*]const u8,
            right_length: usize,
        ) callconv(.c) *const Answer {
            const merged = merge(left[0..left_length], right[0..right_length]) catch |mistake|
                return answered(.failed(mistake));
            return answered(.{ .value = .{ .list = .of(merged) } });
        }
        fn callFinish(at: [*]const u8, length: usize) callconv(.c) *const Answer {
            const made = finish(at[0..length]) catch |mistake| return answered(.failed(mistake));
            return answered(listed(made));
        }
    };
    exportAs("add", calls.callAdd);
    exportAs("take", calls.callTake);
    exportAs("merge", calls.callMerge);
    exportAs("finish", calls.callFinish);
}
