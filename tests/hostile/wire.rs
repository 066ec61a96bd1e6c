//! The attacker's own idea of the channel. Nothing here comes from the program: what
//! travels is written down a second time, so that a change of the wire is noticed by
//! the tests, and so that a packet can be built in every wrong way.
//!
//! A packet: 8 bytes, its own length; 8 bytes, the length of the message in it; the
//! message in postcard's encoding. The enums below must keep the order of their
//! variants, which is what postcard writes.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, bail, ensure};
use ipc_channel::ipc::{IpcOneShotServer, IpcReceiver};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, sendmsg, socket_with,
};
use serde::{Deserialize, Serialize};

/// Descriptors that a packet may carry here, at most.
const MAX_DESCRIPTORS: usize = 64;

/// The connection to the supervisor's guard.
pub struct Wire {
    socket: OwnedFd,
    /// Sent along with every packet.
    pub stowaways: Vec<OwnedFd>,
}

impl Wire {
    pub fn connect(guard: &str) -> Result<Wire> {
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(guard)?)?;
        Ok(Wire { socket, stowaways: Vec::new() })
    }

    /// Sends these bytes as one packet.
    pub fn raw(&self, packet: &[u8]) -> Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> =
            self.stowaways.iter().map(|descriptor| descriptor.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors))
        {
            bail!("too many descriptors for one packet");
        }
        sendmsg(&self.socket, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Sends a response as an honest worker would.
    pub fn say(&self, response: &Response) -> Result<()> {
        self.raw(&packet(&postcard::to_stdvec(response)?))
    }
}

/// A message with headers that are right.
pub fn packet(message: &[u8]) -> Vec<u8> {
    packet_with(message.len() + 16, message.len(), message)
}

/// A message with headers of one's choice.
pub fn packet_with(whole: usize, rest: usize, message: &[u8]) -> Vec<u8> {
    [&whole.to_ne_bytes(), &rest.to_ne_bytes(), message].concat()
}

#[derive(Clone, Debug, Deserialize)]
pub enum Request {
    Prepare {
        layout: Layout,
        _sandbox: [u8; 2],
        _memory: u64,
        _plugins: u8,
        _data: u8,
        /// The metering, and what a plugin's calls may take of the stack.
        _settings: (u8, u64),
    },
    Compile {
        _length: u64,
        _describe: bool,
    },
    Table {
        nonce: u64,
        _task: u64,
    },
    Rows {
        nonce: u64,
        rows: Rows,
    },
    Start(Start),
    Process(Process),
    _States,
    Fetch {
        _nonce: u64,
        _slot: u8,
    },
    Stop,
}

impl Serialize for Request {
    /// ipc-channel wants this of whatever it receives. Nobody sends one from here.
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("a worker sends no requests"))
    }
}

#[derive(Copy, Clone, Debug, Deserialize)]
pub struct Layout {
    pub _input: u64,
    pub output: u64,
}

#[derive(Copy, Clone, Debug, Deserialize)]
pub struct Start {
    pub _memory: u64,
    pub _max_record: u64,
    pub _max_output: u64,
    pub _max_state: u64,
    pub _max_instances: u64,
    pub _fuel: Option<u64>,
    pub _setups: u64,
    pub _after_failure: u8,
    pub _retries: u8,
    pub _isolation: u8,
    pub framing: u8,
}

#[derive(Copy, Clone, Debug, Deserialize)]
pub struct Process {
    pub nonce: u64,
    pub slot: u8,
    pub _input: u32,
    pub start: u64,
    pub end: u64,
    pub _from: From,
    pub _format: u8,
    pub _header: u64,
    pub mode: Mode,
    pub _batches: u8,
    pub _framing: u8,
}

/// Rows that are wanted of a table.
#[derive(Copy, Clone, Debug, Deserialize)]
pub struct Rows {
    pub _group: u32,
    pub first: u64,
    pub count: u64,
    pub _step: u64,
}

#[derive(Copy, Clone, Debug, Deserialize)]
pub enum From {
    File { _index: u32 },
    Slot { _base: u64 },
}

#[derive(Copy, Clone, PartialEq, Eq, Debug, Deserialize)]
pub enum Mode {
    Through,
    Alone,
    Fail(u8),
}

#[derive(Clone, Debug, Serialize)]
pub enum Response {
    Hello { requests: String },
    Locked { layers: u8 },
    Online,
    Done(Done),
    Piece(Piece),
    Compiled { abi: u8, operation: u8, artifact: u64 },
    Fatal { what: u8, text: String },
}

/// `framing` of `Start`: a record on each line; rows, whose delimiter follows and is of no
/// interest here.
const FRAMINGS: [u8; 2] = [0, 4];

/// `kind` of a `Failure`: the plugin returned an error.
pub const REJECTED: u8 = 1;

/// `what` of `Response::Fatal`: the input, or the table that is made, cannot be what it is.
pub const INPUT: u8 = 5;
/// `what` of `Response::Fatal`: anything that is nobody else's fault.
pub const INTERNAL: u8 = 6;

/// `layers` of `Locked`: all of them.
pub const ALL_LAYERS: u8 = 0b1_1111;

#[derive(Copy, Clone, Debug, Serialize)]
pub struct Done {
    pub nonce: u64,
    pub stop: u64,
    pub used: u64,
    pub dropped: u64,
    pub failed: u64,
    pub passed_over: u64,
    pub output_bytes: u64,
    pub left: u64,
    pub output_records: u64,
    pub text_bytes: u32,
    pub end: End,
}

#[derive(Copy, Clone, Debug, Serialize)]
pub struct Piece {
    pub nonce: u64,
    pub bytes: u64,
    pub left: u64,
    pub records: u64,
    pub text_bytes: u32,
}

#[derive(Copy, Clone, Debug, Serialize)]
pub enum End {
    Reached,
    _Full,
    Yielded,
    _Suspect,
    Failed,
}

/// What lies in a slot's text area, one after another.
#[derive(Clone, Debug, Serialize)]
pub enum Entry {
    Failure(Failure),
}

/// A record that has failed.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Failure {
    pub before: u64,
    pub offset: u64,
    pub length: u64,
    pub kind: u8,
    pub plugin: Option<u8>,
    pub text: String,
    pub backtrace: String,
}

/// Bytes of a slot's output memory before the text area, and before the output.
const TEXT: u64 = 4096;
const OUTPUT: u64 = TEXT + (64 << 10);
/// Where the input file lies among the inherited descriptors.
pub const INPUT_FILE: i32 = 9;
/// Where the compiled plugin lies.
pub const ARTIFACT: i32 = 8;
/// What is to be known about the plugins.
pub const SETUPS: i32 = 3;
/// Where the slots' memory lies: the input of one, its output, and the other's.
pub const SLOTS: [i32; 4] = [4, 5, 6, 7];
/// Where the output of a table worker's only slot lies, and what it reads: the table, or the
/// lines that become one. Here a worker has memory, which nobody reads by place.
const TABLE_OUTPUT: i32 = 4;
pub const TABLE_FILE: i32 = 5;

/// A worker that has greeted as it should.
pub struct Greeted {
    pub wire: Wire,
    requests: IpcReceiver<Request>,
    layout: Layout,
}

impl Greeted {
    /// The honest handshake. This worker locks nothing, and says so: the supervisor that
    /// it attacks was told to do without the sandbox.
    pub fn greet(guard: &str) -> Result<Greeted> {
        Greeted::greet_over(Wire::connect(guard)?)
    }

    pub fn greet_over(wire: Wire) -> Result<Greeted> {
        Greeted::greet_as(wire, 0)
    }

    /// The same with a claim to be locked by these layers.
    pub fn greet_as(wire: Wire, layers: u8) -> Result<Greeted> {
        let (server, name) = IpcOneShotServer::<Request>::new()?;
        wire.say(&Response::Hello { requests: name })?;
        let (requests, Request::Prepare { layout, .. }) = server.accept()? else {
            bail!("the first request was no `Prepare`");
        };
        wire.say(&Response::Locked { layers })?;
        Ok(Greeted { wire, requests, layout })
    }

    /// Waits for `Start` and says that the plugin is loaded.
    pub fn come_online(&self) -> Result<()> {
        let Request::Start(start) = self.requests.recv()? else { bail!("no `Start` came") };
        ensure!(self.layout.output > 0, "the slots have no room for output");
        ensure!(
            FRAMINGS.contains(&start.framing),
            "output is framed in a way that is not known here"
        );
        self.wire.say(&Response::Online)
    }

    /// Waits for a table, says that it is open, and gives the number to answer with.
    pub fn open_table(&self) -> Result<u64> {
        let Request::Table { nonce, .. } = self.requests.recv()? else { bail!("no table came") };
        self.wire.say(&Response::Online)?;
        Ok(nonce)
    }

    /// Waits until the next piece is fetched.
    pub fn next_fetch(&self) -> Result<()> {
        match self.requests.recv()? {
            Request::Fetch { .. } => Ok(()),
            other => bail!("nothing was fetched, but there came {other:?}"),
        }
    }

    /// Waits for the next rows that are wanted, and gives the number to answer with.
    pub fn next_rows(&self) -> Result<(u64, Rows)> {
        match self.requests.recv()? {
            Request::Rows { nonce, rows } => Ok((nonce, rows)),
            other => bail!("no rows were wanted, but there came {other:?}"),
        }
    }

    /// Waits for the next range.
    pub fn next_range(&self) -> Result<Process> {
        match self.requests.recv()? {
            Request::Process(process) => Ok(process),
            other => bail!("no range came but {other:?}"),
        }
    }

    /// Serves ranges until told to stop.
    pub fn serve(&self) -> Result<()> {
        loop {
            match self.requests.recv()? {
                Request::Process(process) => {
                    self.wire.say(&Response::Done(honest_answer(&process)?))?;
                }
                Request::Stop => return Ok(()),
                other => bail!("a request came out of turn: {other:?}"),
            }
        }
    }
}

/// Does the work that was asked for, without any plugin, and gives the true answer.
pub fn honest_answer(process: &Process) -> Result<Done> {
    let mut bytes = vec![0; usize::try_from(process.end - process.start)?];
    inherited(INPUT_FILE)?.read_exact_at(&mut bytes, process.start)?;
    let mut done = Done {
        nonce: process.nonce,
        stop: process.end,
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
    let mut output = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if super::is_kept(line) {
            output.extend_from_slice(line);
            done.used += 1;
        } else {
            done.dropped += 1;
        }
        if process.mode != Mode::Through {
            done.stop = process.start + line.len() as u64;
            break;
        }
    }
    done.output_bytes = output.len() as u64;
    done.output_records = done.used;
    write_slot(process.slot, OUTPUT, &output)?;
    Ok(done)
}

/// Writes to a slot's text area.
pub fn write_text(slot: u8, text: &[u8]) -> Result<()> {
    write_slot(slot, TEXT, text)
}

/// Writes to a slot's output, so many bytes from its start.
pub fn write_output(slot: u8, at: u64, bytes: &[u8]) -> Result<()> {
    write_slot(slot, OUTPUT + at, bytes)
}

/// Says at which record the worker is. There is nobody who would check that.
pub fn write_progress(slot: u8, word: u64) -> Result<()> {
    write_slot(slot, 0, &word.to_ne_bytes())
}

/// Writes to the output of a table worker's slot, from its start.
pub fn write_piece(bytes: &[u8]) -> Result<()> {
    inherited(TABLE_OUTPUT)?.write_all_at(bytes, OUTPUT)?;
    Ok(())
}

fn write_slot(slot: u8, offset: u64, bytes: &[u8]) -> Result<()> {
    inherited(SLOTS[1 + 2 * usize::from(slot)])?.write_all_at(bytes, offset)?;
    Ok(())
}

/// A second way to an inherited descriptor.
fn inherited(number: i32) -> Result<File> {
    let path = format!("/proc/self/fd/{number}");
    let read_only = number == INPUT_FILE;
    File::options().read(true).write(!read_only).open(&path).with_context(|| path)
}
