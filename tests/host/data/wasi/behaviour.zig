//! A command that tells what Zig's library makes of the world, one line for each observation.
//! tests/host/wasi_programs.rs compares it with common.txt and zig.txt, which follow from the
//! specification.
//!
//!     zig build-exe behaviour.zig -target wasm32-wasi -O ReleaseSmall -femit-bin=zig.wasm
//!
//! The first argument says what to do.

const std = @import("std");
const wasi = std.os.wasi;
const Io = std.Io;
const File = Io.File;

var out: *Io.Writer = undefined;

fn tell(comptime format: []const u8, values: anytype) void {
    out.print(format ++ "\n", values) catch std.process.abort();
}

/// Reads up to so much; 0 at the end.
fn read(io: Io, place: []u8) usize {
    return File.stdin().readStreaming(io, &.{place}) catch |err| switch (err) {
        error.EndOfStream => 0,
        else => std.process.abort(),
    };
}

fn common(init: std.process.Init, arguments: []const [:0]const u8) !void {
    const io = init.io;
    const buffer = try init.gpa.alloc(u8, 300_000);
    const first = read(io, buffer[0..3]);
    tell("stdin: first {d} bytes: {s}", .{ first, buffer[0..first] });
    try out.writeAll("stdin: then byte by byte: ");
    while (read(io, buffer[0..1]) == 1 and buffer[0] != '\n') try out.writeByte(buffer[0]);
    var rest: usize = 0;
    var last: u8 = 0;
    while (true) {
        const length = read(io, buffer);
        if (length == 0) break;
        rest += length;
        last = buffer[length - 1];
    }
    tell("\nstdin: then all there is: {d} bytes, the last {x:0>2}", .{ rest, last });
    tell("stdin: past its end: {d} and {d} bytes", .{ read(io, buffer[0..1]), read(io, buffer) });
    try out.writeAll("args:");
    for (arguments) |argument| try out.print(" [{s}]", .{argument});
    try out.writeAll("\nenviron:");
    for (init.environ_map.keys(), init.environ_map.values()) |name, value| {
        try out.print(" [{s}={s}]", .{ name, value });
    }
    const home = if (init.environ_map.get("HOME") == null) "missing" else "there";
    tell("\nenviron: HOME is {s}", .{home});

    const wall = Io.Timestamp.now(io, .real);
    const begun = Io.Timestamp.now(io, .awake);
    tell("realtime: begins at {d} s", .{wall.toSeconds()});
    try Io.sleep(io, .fromSeconds(5), .awake);
    tell("realtime: goes on by {d} s in a sleep of 5 s", .{wall.untilNow(io, .real).toSeconds()});
    tell("monotonic: goes on by {d} s in a sleep of 5 s", .{begun.untilNow(io, .awake).toSeconds()});
    var back: usize = 0;
    var then = begun;
    for (0..1000) |_| {
        const now = Io.Timestamp.now(io, .awake);
        if (now.nanoseconds < then.nanoseconds) back += 1;
        then = now;
    }
    tell("monotonic: goes back {d} times in 1000 looks", .{back});

    try io.randomSecure(buffer[0..0]);
    tell("random: of no bytes: no error", .{});
    try io.randomSecure(buffer[0..100_000]);
    var drawn: [256]bool = @splat(false);
    for (buffer[0..100_000]) |byte| drawn[byte] = true;
    var values: usize = 0;
    for (drawn) |one| values += @intFromBool(one);
    tell("random: {d} values in 100000 bytes", .{values});
    _ = wasi.sched_yield();
    tell("yield: comes back", .{});
}

fn tellError(what: []const u8, result: anytype) void {
    if (result) |_| {
        tell("{s}: no error", .{what});
    } else |err| {
        tell("{s}: {s}", .{ what, @errorName(err) });
    }
}

fn library(init: std.process.Init) void {
    const io = init.io;
    const here = Io.Dir.cwd();
    var place: [64]u8 = undefined;
    tellError("open a file", here.openFile(io, "etc/passwd", .{}));
    tellError("create a file", here.createFile(io, "new", .{}));
    tellError("open a directory", here.openDir(io, ".", .{}));
    tellError("stat", here.statFile(io, "a", .{}));
    tellError("create a directory", here.createDir(io, "new", .default_dir));
    tellError("rename", here.rename("a", here, "b", io));
    tellError("link", here.hardLink("a", here, "b", io, .{}));
    tellError("symlink", here.symLink(io, "a", "b", .{}));
    tellError("readlink", here.readLink(io, "a", &place));
    tellError("delete a file", here.deleteFile(io, "a"));
    tellError("delete a directory", here.deleteDir(io, "a"));
    tellError("read at a place of stdin", File.stdin().readPositional(io, &.{&place}, 0));
    tellError("sync of stdout", File.stdout().sync(io));
    tellError("connect", Io.net.IpAddress.connect(&.{ .ip4 = .loopback(80) }, io, .{ .mode = .stream }));
    tell("preopens: {d}", .{init.preopens.map.count()});
    tell("a terminal: {} {} {}", .{
        File.stdin().isTty(io) catch false,
        File.stdout().isTty(io) catch false,
        File.stderr().isTty(io) catch false,
    });

    var got: usize = undefined;
    var position: wasi.filesize_t = undefined;
    tell("seek on stdin: {t}", .{wasi.fd_seek(0, 0, .SET, &position)});
    tell("seek on 3: {t}", .{wasi.fd_seek(3, 0, .SET, &position)});
    tell("write on stdin: {t}", .{wasi.fd_write(0, &.{.{ .base = "x", .len = 1 }}, 1, &got)});
    tell("read on stdout: {t}", .{wasi.fd_read(1, &.{.{ .base = &place, .len = 1 }}, 1, &got)});
    var two: wasi.subscription_t = .{ .userdata = 7, .u = .{ .tag = .CLOCK, .u = .{ .clock = .{
        .id = .REALTIME,
        .timeout = 2_000_000_000,
        .precision = 0,
        .flags = 0,
    } } } };
    var event: wasi.event_t = undefined;
    tell("poll of nothing: {t}", .{wasi.poll_oneoff(&two, &event, 0, &got)});
    tell("poll of a clock: {t} {d} {d}", .{ wasi.poll_oneoff(&two, &event, 1, &got), got, event.userdata });
    var time: wasi.timestamp_t = undefined;
    tell("no such clock: {t}", .{clockTimeGet(77, 0, &time)});
    tell("flags of stdin: {t}", .{wasi.fd_fdstat_set_flags(0, .{ .NONBLOCK = true })});
}

const clockTimeGet = @extern(*const fn (u32, u64, *u64) callconv(.c) wasi.errno_t, .{
    .name = "clock_time_get",
    .library_name = "wasi_snapshot_preview1",
});

pub fn main(init: std.process.Init) !u8 {
    const arguments = try init.minimal.args.toSlice(init.arena.allocator());
    var buffer: [4096]u8 = undefined;
    var writer = File.stdout().writerStreaming(init.io, &buffer);
    out = &writer.interface;
    const what = if (arguments.len > 1) arguments[1] else "";
    if (std.mem.eql(u8, what, "end")) {
        const code = try std.fmt.parseInt(u32, arguments[3], 10);
        if (std.mem.eql(u8, arguments[2], "return")) return @intCast(code);
        if (std.mem.eql(u8, arguments[2], "abort")) std.process.abort();
        if (std.mem.eql(u8, arguments[2], "error")) return error.OnPurpose;
        wasi.proc_exit(code);
    } else if (std.mem.eql(u8, what, "random")) {
        var drawn: [32]u8 = undefined;
        try init.io.randomSecure(&drawn);
        tell("{x}", .{&drawn});
    } else if (std.mem.eql(u8, what, "large")) {
        const line = try init.gpa.alloc(u8, 1 << 20);
        @memset(line, 'x');
        line[line.len - 1] = '\n';
        try File.stdout().writeStreamingAll(init.io, line);
        try File.stderr().writeStreamingAll(init.io, "to stderr\nand more");
    } else {
        try common(init, arguments);
        library(init);
    }
    try out.flush();
    return 0;
}
