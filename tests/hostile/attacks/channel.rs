//! Attacks over the channel and through shared memory, by a worker (or compile worker)
//! around which there is no sandbox: what stands if that falls.
#![allow(unsafe_code, reason = "an attacker does not ask the type system")]

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};
use rustix::process::{Signal, getpid, kill_process};

use super::Outcome::{Ends, Harmless, Replaced, ReplacedEither, ReplacedPerhaps};
use super::{Attack, By, Outcome, Who};
use crate::wire::{
    self, Done, End, Entry, Failure, Greeted, INTERNAL, Piece, Process, REJECTED, Request,
    Response, Wire, honest_answer, packet, packet_with, write_output, write_progress, write_text,
};
use crate::{IN_HAND, note};

const HEADERS: &str = "it sent a packet with wrong headers";
const MESSAGE: &str = "it sent something that is no response";
const UNASKED: &str = "it sent an answer that nobody asked for";
const EARLY: &str = "it answered before it was asked";
const NOT_OUT: &str = "it answered an attempt that is not out";
const FLOOD: &str = "it sent responses that nobody asked for";
pub const ENDED: &str = "the supervisor ended it";
const KILLED: &str = "it was killed by SIGKILL";

const fn attack(name: &'static str, act: fn(&str) -> Result<()>, outcome: Outcome) -> Attack {
    Attack::new(name, By::Process(Who::FirstWorker, act), outcome)
}

pub const ATTACKS: &[Attack] = &[
    // Packets that are none.
    attack("empty-packet", |guard| send(guard, &[]), Replaced(ENDED)),
    attack("one-byte-then-silence", |guard| send(guard, &[7]), Replaced("a packet of 1 bytes")),
    attack("shorter-than-headers", |guard| send(guard, &[0; 15]), Replaced("a packet of 15 bytes")),
    attack("headers-alone", |guard| send(guard, &packet(&[])), Replaced("a packet of 16 bytes")),
    attack("longer-by-one", |guard| send_long(guard, 513), Replaced("a packet of 513 bytes")),
    attack("longer-4-kb", |guard| send_long(guard, 4096), Replaced("a packet of 4096 bytes")),
    attack("longer-64-kb", |guard| send_long(guard, 65_536), Replaced("a packet of 65536 bytes")),
    attack(
        "longer-200-kb",
        |guard| send_long(guard, 200_000),
        Replaced("a packet of 200000 bytes"),
    ),
    attack("first-header-less", |guard| send(guard, &with_headers(-1, 0)), Replaced(HEADERS)),
    attack("first-header-more", |guard| send(guard, &with_headers(1, 0)), Replaced(HEADERS)),
    attack("second-header-more", |guard| send(guard, &with_headers(0, 1)), Replaced(HEADERS)),
    attack("second-header-less", |guard| send(guard, &with_headers(0, -1)), Replaced(HEADERS)),
    attack(
        "first-of-several",
        // What ipc-channel would send of a message that needs more packets.
        |guard| send(guard, &with_headers(0, 1_000_000)),
        Replaced(HEADERS),
    ),
    attack(
        "total-underflow",
        |guard| send(guard, &packet_with(16, usize::MAX, &[1])),
        Replaced(HEADERS),
    ),
    attack("total-of-zero", |guard| send(guard, &packet_with(17, 0, &[1])), Replaced(HEADERS)),
    // Exact packets with nothing sensible in them.
    attack("unknown-variant", |guard| send(guard, &packet(&[200, 1, 2, 3])), Replaced(MESSAGE)),
    // A `Done` that ends after its second number.
    attack("cut-message", |guard| send(guard, &packet(&[3, 1, 1])), Replaced(MESSAGE)),
    attack("no-utf8", |guard| send(guard, &packet(&[0, 2, 0xff, 0xfe])), Replaced(MESSAGE)),
    attack(
        "endless-text",
        // A text that claims 2^63 bytes.
        |guard| send(guard, &packet(&[&[0], &[0xff; 9][..], &[0x01]].concat())),
        Replaced(MESSAGE),
    ),
    attack("garbage", |guard| send(guard, &packet(&[0xa5; 400])), Replaced(MESSAGE)),
    attack("descriptors", honest_but_for_descriptors, Harmless),
    // Greetings.
    attack("never-connects", |_| silence(), Replaced(ENDED)).waits(),
    attack("connects-and-is-silent", connects_and_is_silent, Replaced(ENDED)).waits(),
    attack("closes-and-lives-on", closes_and_lives_on, Replaced(ENDED)),
    attack("stops-itself", |_| stop_itself(), Replaced(ENDED)).waits(),
    attack("hello-then-silence", hello_then_silence, Replaced(ENDED)).waits(),
    attack("hello-elsewhere", |guard| hello(guard, "/tmp/elsewhere/socket"), Replaced("")).waits(),
    attack("hello-above", |guard| hello_in(guard, "../socket"), Replaced("")).waits(),
    attack("hello-nobody", |guard| hello_in(guard, "nobody"), Replaced("")).waits(),
    attack("hello-with-nul", |guard| hello_in(guard, "a\0b"), Replaced("")).waits(),
    attack("hello-too-long", |guard| hello_in(guard, &"x".repeat(200)), Replaced("")).waits(),
    attack("hello-own-guard", |guard| hello(guard, guard), Replaced("")).waits(),
    attack("hello-full-socket", hello_full_socket, Replaced("")).waits(),
    attack("hello-twice", hello_twice, Replaced("")),
    attack("hello-over-and-over", hello_over_and_over, Replaced("")),
    // Deaths.
    attack("dies-before-connecting", |_| die(), Replaced(KILLED)),
    attack("ends-before-connecting", |_| std::process::exit(7), Replaced("it ended with code 7")),
    attack("dies-after-connecting", dies_after_connecting, Replaced(KILLED)),
    attack("dies-after-hello", dies_after_hello, ReplacedEither(KILLED, ENDED)),
    attack("dies-after-handshake", dies_after_handshake, Replaced(KILLED)),
    attack("dies-after-online", |guard| online(guard).and_then(|_| die()), Replaced(KILLED)),
    attack("dies-with-a-range", |guard| range(guard).and_then(|_| die()), Replaced(KILLED)),
    attack("dies-every-time", |_| die(), Ends(1, "died without finishing anything"))
        .by(Who::EveryWorker),
    attack("dies-every-time-online", dies_with_a_range, Ends(1, "died without finishing anything"))
        .by(Who::EveryWorker),
    attack("accuses-an-innocent", accuses_an_innocent, Replaced("it was killed by SIGABRT")),
    attack("accuses-nonsense", accuses_nonsense, Replaced("it was killed by SIGABRT")),
    // Answers.
    attack("online-twice", online_twice, Replaced(UNASKED)),
    attack("compiled-by-a-worker", compiled_by_a_worker, Replaced(UNASKED)),
    attack("done-before-online", done_before_online, Replaced(EARLY)),
    attack("done-before-request", done_before_request, ReplacedEither(EARLY, NOT_OUT)),
    attack("two-dones", two_dones, ReplacedEither(NOT_OUT, EARLY)),
    attack("old-nonce", old_nonce, ReplacedEither(NOT_OUT, EARLY)).needs_two(),
    attack("other-slot-first", other_slot_first, Replaced(NOT_OUT)).needs_two(),
    attack(
        "wrong-nonce",
        |guard| lie(guard, |done| done.nonce = done.nonce.wrapping_add(1)),
        Replaced(NOT_OUT),
    ),
    attack(
        "stops-beyond-its-range",
        |guard| lie(guard, |done| done.stop += 1),
        Replaced("it stopped outside of its range"),
    ),
    attack(
        "stops-at-the-end-of-numbers",
        |guard| lie(guard, |done| done.stop = u64::MAX),
        Replaced("it stopped outside of its range"),
    ),
    attack(
        "stops-early",
        |guard| lie(guard, |done| done.stop -= 1),
        Replaced("it did not do what it says it did"),
    ),
    attack("no-progress", no_progress, Replaced("it did not do what it says it did")),
    attack(
        "counts-overflow",
        |guard| lie(guard, |done| done.dropped = u64::MAX),
        Replaced("it counted more records than its range can have"),
    ),
    attack(
        "passes-over-everything",
        |guard| {
            lie(guard, |done| {
                let passed_over = done.used + done.dropped;
                let (nonce, stop) = (done.nonce, done.stop);
                *done = Done { nonce, stop, passed_over, ..NOTHING };
            })
        },
        Replaced("it passed over records that are all wanted"),
    ),
    attack(
        "more-output-than-input",
        |guard| lie(guard, |done| done.output_bytes = 1 << 20),
        Replaced("its output does not fit its counts"),
    ),
    attack(
        "more-output-than-memory",
        |guard| lie(guard, |done| done.output_bytes = u64::MAX),
        Replaced("its output does not fit its counts"),
    ),
    attack(
        "output-cut-short",
        |guard| lie(guard, |done| done.output_bytes -= 1),
        Replaced("its output does not end where a record ends"),
    ),
    attack(
        "quote-left-open",
        quote_left_open,
        Replaced("its output does not have the records that it counted"),
    )
    .rows(),
    attack(
        "more-text-than-memory",
        |guard| lie(guard, |done| done.text_bytes = u32::MAX),
        Replaced("it claims more text than there can be"),
    ),
    attack("piece-for-a-range", piece_for_a_range, Replaced(EARLY)),
    attack(
        "state-of-a-filter",
        |guard| lie(guard, |done| done.left = 1),
        Replaced("it speaks of a state that there is not"),
    ),
    attack("rubbish-in-text", rubbish_in_text, Replaced("its text area holds no entries")),
    attack(
        "accuses-no-plugin",
        accuses_no_plugin,
        Replaced("it accuses a plugin that there is not"),
    ),
    attack("writes-to-its-input", |guard| writes(guard, writes_to_its_input), Harmless),
    attack("resizes-its-slots", |guard| writes(guard, resizes_its_slots), Harmless),
    attack("writes-to-the-code-of-all", |guard| writes(guard, writes_to_the_code), Harmless),
    attack(
        "changes-output-while-it-is-read",
        changes_output_while_it_is_read,
        ReplacedPerhaps("its output does not end where a record ends"),
    ),
    attack("silent-at-work", silent_at_work, Replaced(ENDED)).timeout(200).waits(),
    // Floods.
    attack("flood-of-onlines", flood_of_onlines, Replaced(UNASKED)),
    attack("flood-of-dones", flood_of_dones, ReplacedEither(EARLY, FLOOD)),
    attack("flood-of-last-words", flood_before_online, ReplacedEither(FLOOD, ENDED)).waits(),
    attack("flood-at-work", flood_at_work, ReplacedEither(FLOOD, ENDED)).timeout(200).waits(),
    // The same channel serves the compile worker.
    attack("compile-wrong-headers", |guard| send(guard, &with_headers(0, 1)), Harmless)
        .by(Who::FirstCompile),
    attack("compile-longer", |guard| send_long(guard, 200_000), Harmless).by(Who::FirstCompile),
    attack("compile-dies", |_| die(), Harmless).by(Who::FirstCompile),
    attack("compile-says-done", compile_says_done, Harmless).by(Who::FirstCompile),
    attack("compile-is-silent", |_| silence(), Harmless).by(Who::FirstCompile).waits(),
    attack("compile-only-burns-time", |_| burn(), Ends(2, "takes longer than"))
        .by(Who::FirstCompile)
        .waits(),
    attack("compile-dies-every-time", |_| die(), Ends(1, "died 6 times")).by(Who::EveryCompile),
    attack("compile-lies", |guard| compiled(guard, &[]), Ends(1, "left less than it said"))
        .by(Who::FirstCompile),
    attack("compile-garbage", |guard| compiled(guard, &[0x7f; 4096]), Ends(1, "cannot be started"))
        .by(Who::FirstCompile),
];

/// Takes all the time that it gets, and says nothing.
fn burn() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Does nothing, for ever: what ends this process is the supervisor.
fn silence() -> ! {
    loop {
        std::thread::park();
    }
}

fn die() -> Result<()> {
    kill_process(getpid(), Signal::KILL)?;
    silence()
}

fn stop_itself() -> Result<()> {
    kill_process(getpid(), Signal::STOP)?;
    silence()
}

fn send(guard: &str, packet: &[u8]) -> Result<()> {
    let wire = Wire::connect(guard)?;
    wire.raw(packet)?;
    silence()
}

/// A packet of this length whose headers are right.
fn send_long(guard: &str, length: usize) -> Result<()> {
    send(guard, &packet(&vec![0; length - 16]))
}

/// A good message under headers that are off by so much.
fn with_headers(whole: isize, rest: isize) -> Vec<u8> {
    let message = [1];
    packet_with(
        (message.len() + 16).wrapping_add_signed(whole),
        message.len().wrapping_add_signed(rest),
        &message,
    )
}

fn honest_but_for_descriptors(guard: &str) -> Result<()> {
    let mut wire = Wire::connect(guard)?;
    for _ in 0..10 {
        let memory = memfd_create(crate::STOWAWAY, MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&memory, 1 << 20)?;
        wire.stowaways.push(memory);
    }
    for _ in 0..5 {
        let (one, other) = std::os::unix::net::UnixStream::pair()?;
        wire.stowaways.extend([OwnedFd::from(one), OwnedFd::from(other)]);
    }
    let greeted = Greeted::greet_over(wire)?;
    greeted.come_online()?;
    greeted.serve()
}

fn connects_and_is_silent(guard: &str) -> Result<()> {
    let _wire = Wire::connect(guard)?;
    silence()
}

fn closes_and_lives_on(guard: &str) -> Result<()> {
    drop(Wire::connect(guard)?);
    silence()
}

fn hello_then_silence(guard: &str) -> Result<()> {
    let _greeted = Greeted::greet(guard)?;
    silence()
}

/// A greeting that names something that is no server of ours.
fn hello(guard: &str, name: &str) -> Result<()> {
    let wire = Wire::connect(guard)?;
    wire.say(&Response::Hello { requests: name.to_owned() })?;
    silence()
}

/// The same, named from the socket directory on.
fn hello_in(guard: &str, name: &str) -> Result<()> {
    let directory = Path::new(guard).parent().context("a guard lies in a directory")?;
    let directory = directory.to_str().context("its name is text")?;
    hello(guard, &format!("{directory}/{name}"))
}

/// A greeting that names a socket at which a connection would wait for ever.
fn hello_full_socket(guard: &str) -> Result<()> {
    // Where ipc-channel would have put a server of this worker's.
    let directory = Path::new(guard).with_file_name("full");
    std::fs::create_dir(&directory)?;
    let path = directory.join("socket");
    let address = SocketAddrUnix::new(&path)?;
    let socket = |flags| socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
    let listener = socket(SocketFlags::CLOEXEC)?;
    bind(&listener, &address)?;
    listen(&listener, 0)?;
    let mut waiting = Vec::new();
    loop {
        let one_more = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        if connect(&one_more, &address).is_err() {
            break;
        }
        waiting.push(one_more);
    }
    hello(guard, path.to_str().context("its name is text")?)
}

fn hello_twice(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    // Once more, with a server that is there.
    let (_server, name) = ipc_channel::ipc::IpcOneShotServer::<Request>::new()?;
    greeted.wire.say(&Response::Hello { requests: name })?;
    silence()
}

/// Makes the supervisor connect to a socket that nobody serves, until a connection
/// would wait. A sandboxed worker could do this too: the guard's socket is there.
fn hello_over_and_over(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    // Two find room in the socket's queue, the third would wait for it; and no more
    // than would count as a flood, even if the supervisor reads none of them.
    for _ in 0..4 {
        if greeted.wire.say(&Response::Hello { requests: guard.to_owned() }).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    silence()
}

fn dies_after_connecting(guard: &str) -> Result<()> {
    let _wire = Wire::connect(guard)?;
    die()
}

fn dies_after_hello(guard: &str) -> Result<()> {
    let (_server, name) = ipc_channel::ipc::IpcOneShotServer::<Request>::new()?;
    let wire = Wire::connect(guard)?;
    wire.say(&Response::Hello { requests: name })?;
    die()
}

fn dies_after_handshake(guard: &str) -> Result<()> {
    let _greeted = Greeted::greet(guard)?;
    die()
}

fn dies_with_a_range(guard: &str) -> Result<()> {
    range(guard)?;
    die()
}

fn online(guard: &str) -> Result<Greeted> {
    let greeted = Greeted::greet(guard)?;
    greeted.come_online()?;
    Ok(greeted)
}

/// A worker with a range to process.
fn range(guard: &str) -> Result<(Greeted, Process)> {
    let greeted = online(guard)?;
    let process = greeted.next_range()?;
    Ok((greeted, process))
}

/// Blames the first record of its range for a crash: run alone, it proves innocent.
fn accuses_an_innocent(guard: &str) -> Result<()> {
    let (_greeted, process) = range(guard)?;
    write_progress(process.slot, process.start)?;
    std::process::abort()
}

/// Blames a record that cannot be.
fn accuses_nonsense(guard: &str) -> Result<()> {
    let (_greeted, process) = range(guard)?;
    write_progress(process.slot, u64::MAX - 5)?;
    std::process::abort()
}

fn online_twice(guard: &str) -> Result<()> {
    let greeted = online(guard)?;
    greeted.wire.say(&Response::Online)?;
    silence()
}

fn compiled_by_a_worker(guard: &str) -> Result<()> {
    let greeted = online(guard)?;
    greeted.wire.say(&Response::Compiled { abi: 0, operation: 0, artifact: 1 })?;
    silence()
}

const NOTHING: Done = Done {
    nonce: 1,
    stop: 0,
    used: 0,
    dropped: 0,
    failed: 0,
    passed_over: 0,
    output_bytes: 0,
    left: 0,
    output_records: 0,
    text_bytes: 0,
    end: End::Reached,
};

fn done_before_online(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    greeted.wire.say(&Response::Done(NOTHING))?;
    silence()
}

fn done_before_request(guard: &str) -> Result<()> {
    let greeted = online(guard)?;
    greeted.wire.say(&Response::Done(NOTHING))?;
    silence()
}

fn two_dones(guard: &str) -> Result<()> {
    let (greeted, process) = range(guard)?;
    let answer = Response::Done(honest_answer(&process)?);
    greeted.wire.say(&answer)?;
    greeted.wire.say(&answer)?;
    silence()
}

/// A worker with two ranges to process. The others begin only now.
fn two_ranges(guard: &str) -> Result<(Greeted, Process, Process)> {
    let (greeted, first) = range(guard)?;
    let second = greeted.next_range()?;
    note(IN_HAND, "")?;
    Ok((greeted, first, second))
}

/// Answers one range, and answers the next with the number of the first.
fn old_nonce(guard: &str) -> Result<()> {
    let (greeted, first, second) = two_ranges(guard)?;
    greeted.wire.say(&Response::Done(honest_answer(&first)?))?;
    let answer = Done { nonce: first.nonce, ..honest_answer(&second)? };
    greeted.wire.say(&Response::Done(answer))?;
    silence()
}

/// Has two ranges and answers the second before the first.
fn other_slot_first(guard: &str) -> Result<()> {
    let (greeted, _first, second) = two_ranges(guard)?;
    greeted.wire.say(&Response::Done(honest_answer(&second)?))?;
    silence()
}

/// Answers honestly but for what `falsify` changes.
fn lie(guard: &str, falsify: fn(&mut Done)) -> Result<()> {
    let (greeted, process) = range(guard)?;
    let mut done = honest_answer(&process)?;
    falsify(&mut done);
    greeted.wire.say(&Response::Done(done))?;
    silence()
}

/// Answers a range as if a state had been asked for.
fn piece_for_a_range(guard: &str) -> Result<()> {
    let (greeted, process) = range(guard)?;
    let piece = Piece { nonce: process.nonce, bytes: 0, left: 0, records: 0, text_bytes: 0 };
    greeted.wire.say(&Response::Piece(piece))?;
    silence()
}

fn no_progress(guard: &str) -> Result<()> {
    let (greeted, process) = range(guard)?;
    let (nonce, stop) = (process.nonce, process.start);
    greeted.wire.say(&Response::Done(Done { nonce, stop, end: End::Yielded, ..NOTHING }))?;
    silence()
}

/// Rows behind which, in the output, all that others have written would be one field.
fn quote_left_open(guard: &str) -> Result<()> {
    let (greeted, process) = range(guard)?;
    let honest = honest_answer(&process)?;
    write_output(process.slot, 0, b"\"x\n")?;
    let dropped = honest.used + honest.dropped - 1;
    let done = Done { used: 1, dropped, output_records: 1, output_bytes: 3, ..honest };
    greeted.wire.say(&Response::Done(done))?;
    silence()
}

fn rubbish_in_text(guard: &str) -> Result<()> {
    let (greeted, process) = range(guard)?;
    // A failure that begins with a number of more than 64 bits.
    write_text(process.slot, &[0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255])?;
    let done = Done { text_bytes: 12, ..honest_answer(&process)? };
    greeted.wire.say(&Response::Done(done))?;
    silence()
}

/// Says that a plugin that the job has not has rejected the first record.
fn accuses_no_plugin(guard: &str) -> Result<()> {
    let (greeted, process) = range(guard)?;
    let stop = process.start + 1;
    let (offset, length, kind, plugin) = (process.start, 1, REJECTED, Some(200));
    let failure = Failure { offset, length, kind, plugin, ..Failure::default() };
    let text = postcard::to_stdvec(&Entry::Failure(failure))?;
    write_text(process.slot, &text)?;
    let Process { nonce, .. } = process;
    let text_bytes = u32::try_from(text.len())?;
    let done = Done { nonce, stop, failed: 1, text_bytes, end: End::Failed, ..NOTHING };
    greeted.wire.say(&Response::Done(done))?;
    silence()
}

/// Tries to write where it must not, and is honest in everything else.
fn writes(guard: &str, try_it: fn() -> Result<()>) -> Result<()> {
    let greeted = online(guard)?;
    try_it()?;
    greeted.serve()
}

/// Fails if this memory of the worker's can be written, by a call or a mapping.
fn ensure_unwritable(descriptor: i32) -> Result<()> {
    let path = format!("/proc/self/fd/{descriptor}");
    // Root may open what is sealed, and still not write to it.
    let Ok(file) = File::options().read(true).write(true).open(path) else { return Ok(()) };
    ensure!(file.write_at(b"x", 0).is_err(), "it could be written");
    let (length, flags) = (4096, MapFlags::SHARED);
    // SAFETY: a new mapping at a place of the kernel's choice, which nobody uses.
    let mapped = unsafe {
        mmap(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, flags, &file, 0)
    };
    ensure!(mapped.is_err(), "it could be mapped writably");
    Ok(())
}

fn writes_to_its_input() -> Result<()> {
    ensure_unwritable(wire::SLOTS[0])?;
    ensure_unwritable(wire::SLOTS[2])
}

fn writes_to_the_code() -> Result<()> {
    ensure_unwritable(wire::ARTIFACT)
}

/// Shorter memory would make a reader fault, longer would evade the limit.
fn resizes_its_slots() -> Result<()> {
    for descriptor in wire::SLOTS {
        let path = format!("/proc/self/fd/{descriptor}");
        let Ok(file) = File::options().read(true).write(true).open(path) else { continue };
        for length in [0, 4096, 1 << 40] {
            ensure!(file.set_len(length).is_err(), "slot memory could be made {length} bytes long");
        }
    }
    Ok(())
}

/// Keeps changing the last byte of its output, between what belongs there and a letter.
fn changes_output_while_it_is_read(guard: &str) -> Result<()> {
    let greeted = online(guard)?;
    let mut meddlers: HashMap<u8, Meddler> = HashMap::new();
    // Until it is told to stop.
    while let Ok(process) = greeted.next_range() {
        // What this slot held before has been read.
        if let Some(meddler) = meddlers.remove(&process.slot) {
            meddler.stop();
        }
        let done = honest_answer(&process)?;
        let last = done.output_bytes.checked_sub(1).context("there is output in every range")?;
        meddlers.insert(process.slot, Meddler::start(process.slot, last));
        greeted.wire.say(&Response::Done(done))?;
    }
    Ok(())
}

/// A thread that does nothing but change one byte.
struct Meddler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Meddler {
    fn start(slot: u8, at: u64) -> Meddler {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for byte in [*b"\n", *b"x"].into_iter().cycle() {
                if stopped.load(Ordering::Relaxed) || write_output(slot, at, &byte).is_err() {
                    break;
                }
            }
        });
        Meddler { stop, thread }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // It does nothing that could panic.
        let _ = self.thread.join();
    }
}

fn silent_at_work(guard: &str) -> Result<()> {
    let (_greeted, _process) = range(guard)?;
    silence()
}

fn flood(wire: &Wire, response: &Response) -> ! {
    while wire.say(response).is_ok() {}
    silence()
}

fn flood_of_onlines(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    flood(&greeted.wire, &Response::Online)
}

fn flood_of_dones(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    flood(&greeted.wire, &Response::Done(NOTHING))
}

/// Announces its end without end.
fn flood_before_online(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    flood(&greeted.wire, &Response::Fatal { what: INTERNAL, text: "the end".into() })
}

fn flood_at_work(guard: &str) -> Result<()> {
    let (greeted, _process) = range(guard)?;
    flood(&greeted.wire, &Response::Fatal { what: INTERNAL, text: "the end".into() })
}

fn compile_says_done(guard: &str) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    greeted.wire.say(&Response::Done(NOTHING))?;
    silence()
}

/// A compile worker that claims to have made one byte more than `artifact`, or, if
/// there is any, that hands over `artifact` for compiled code.
fn compiled(guard: &str, artifact: &[u8]) -> Result<()> {
    let greeted = Greeted::greet(guard)?;
    File::options().write(true).open("/proc/self/fd/4")?.write_all(artifact)?;
    let claimed = artifact.len().max(1) as u64;
    greeted.wire.say(&Response::Compiled { abi: 0, operation: 0, artifact: claimed })?;
    silence()
}
