//! The channel between supervisor and workers: the only user of `ipc_channel`, and
//! the guard in front of its receiving end.
//!
//! Requests go the ordinary way: the worker opens a one-shot server, the supervisor
//! connects to it. Responses do not, because ipc-channel 0.23's receiving code
//! trusts its sender: a short packet makes a length underflow, an oversized total
//! aborts, attached descriptors are mapped. A worker therefore connects to a socket
//! of ours. The [`Guard`] reads its packets without room for descriptors (the kernel
//! drops them), passes on only those whose length and headers are exact, through a
//! private channel to ipc-channel's receiver, and cuts off whoever sends another.
//!
//! A packet of ipc-channel is: 8 bytes, the packet's length; 8 bytes, the length of
//! the message (packet less these 16); the message. Longer messages come in several
//! packets, which no response needs.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, connect, listen, recv, sendmsg, socket_with,
};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};

use crate::descriptors;
use crate::error::Error;
use crate::fault;
use crate::protocol::{MAX_RESPONSE, Request, Response};

/// Longest path of the socket directory, in bytes: ipc-channel adds up to 18 bytes
/// and cuts what exceeds the 107 of a socket's address without a word.
const MAX_DIRECTORY: usize = 80;

/// Length of the two headers of a packet, in bytes.
const HEADERS: usize = 16;

/// Held where a descriptor is opened here, so that the room that one thread has made sure of
/// is not taken by another.
static OPENING: Mutex<()> = Mutex::new(());

/// How the names of directories begin.
const PREFIX: &str = "host-";
/// The file in each that whoever made it keeps locked.
const LOCK: &str = "host.lock";
/// A directory that is younger may just be in the making.
const YOUNG: Duration = Duration::from_secs(60);

/// Where files are memory: making and removing them takes a small part of the time there that
/// it takes on a disk.
const SHARED_MEMORY: &str = "/dev/shm";

/// A private directory for sockets, removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketDirectory {
    directory: tempfile::TempDir,
    /// Locked as long as this process lives.
    _lock: File,
}

impl SocketDirectory {
    /// Makes one under `$XDG_RUNTIME_DIR`, `$TMPDIR`, `/dev/shm`, the temporary directory or
    /// `/tmp`, whichever comes first that can be used.
    pub fn new() -> Result<SocketDirectory, Error> {
        // ipc-channel puts servers of its own there (see `Courier`).
        let temporary = std::env::temp_dir();
        if temporary.as_os_str().len() > MAX_DIRECTORY {
            let trouble = io::Error::other(format!(
                "{} is too long for a socket's address; set TMPDIR to a shorter path",
                temporary.display()
            ));
            return Err(Error::system("use the temporary directory", trouble));
        }
        let named = |variable| std::env::var_os(variable).map(PathBuf::from);
        let places = [
            named("XDG_RUNTIME_DIR"),
            named("TMPDIR"),
            Some(SHARED_MEMORY.into()),
            Some(temporary),
            Some("/tmp".into()),
        ];
        let mut trouble = io::Error::from(io::ErrorKind::NotFound);
        for place in places.into_iter().flatten().filter(|place| place.is_absolute()) {
            // tempfile makes directories with mode 0700.
            sweep(&place);
            match tempfile::Builder::new().prefix(PREFIX).tempdir_in(&place) {
                Ok(directory) if directory.path().as_os_str().len() <= MAX_DIRECTORY => {
                    match lock(&directory.path().join(LOCK), Make::Yes) {
                        Ok(lock) => return Ok(SocketDirectory { directory, _lock: lock }),
                        Err(error) => trouble = error,
                    }
                }
                Ok(_) => {
                    trouble = io::Error::other(format!(
                        "{} is too long for a socket's address; set TMPDIR to a shorter path",
                        place.display()
                    ));
                }
                Err(error) => trouble = error,
            }
        }
        Err(Error::system("make a directory for sockets", trouble))
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether a name that a worker sent lies in this directory, where its own
    /// server must be.
    fn holds(&self, name: &str) -> bool {
        let Ok(inside) = Path::new(name).strip_prefix(self.path()) else { return false };
        let mut parts = inside.components();
        // ipc-channel gives each server a directory of its own; what lies directly in
        // ours is a guard's.
        inside.components().count() == 2
            && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
    }
}

#[derive(PartialEq, Eq)]
enum Make {
    Yes,
    No,
}

/// Opens and locks a file; never through a link.
fn lock(path: &Path, make: Make) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(make == Make::Yes);
    let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
    file.try_lock()?;
    Ok(file)
}

/// Removes directories of processes that were killed. Nothing depends on it: what cannot
/// be removed stays.
fn sweep(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    let user = rustix::process::geteuid().as_raw();
    for entry in entries.flatten() {
        let is_named = entry.file_name().as_bytes().starts_with(PREFIX.as_bytes());
        // Of a link this is the link's own.
        let Some(found) = entry.metadata().ok().filter(|_| is_named) else { continue };
        let is_old = found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG));
        if !found.is_dir() || found.uid() != user || !is_old {
            continue;
        }
        // Whoever lives has it locked, and a directory without it is none of ours.
        if let Ok(lock) = lock(&entry.path().join(LOCK), Make::No) {
            let _ = std::fs::remove_dir_all(entry.path());
            drop(lock);
        }
    }
}

/// Whether an error says that this process can have no more, and nothing about a worker.
pub(crate) fn is_of_this_process(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

/// Sends requests to one worker.
pub(crate) struct Requests(IpcSender<Request>);

impl Requests {
    /// Connects to the server that a worker's `Hello` named, at once or not at all.
    ///
    /// ipc-channel's own way would wait for ever at a server whose queue is full, panic
    /// at a name with a zero byte, and forget its descriptor when it is refused.
    pub fn connect(
        directory: &SocketDirectory,
        name: &str,
        courier: Courier,
    ) -> io::Result<Requests> {
        if !directory.holds(name) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(name)?)?;
        fcntl_setfl(&socket, OFlags::empty())?;
        courier.sender_over(&socket).map(Requests)
    }

    /// Sends one request. An error means that the worker is gone.
    pub fn send(&self, request: Request) -> Result<(), ipc_channel::IpcError> {
        self.0.send(request)
    }
}

/// Makes a connected socket a sender, in the way in which ipc-channel passes senders between
/// processes: as a descriptor in a message, here to ourselves.
pub(crate) struct Courier {
    server: IpcOneShotServer<IpcSender<Request>>,
    socket: OwnedFd,
}

/// Descriptors that must be left once there is a courier: a worker's connection, the guard's
/// own channel, and two that ipc-channel makes and closes when it is first used.
const ROOM: usize = 5;

impl Courier {
    /// Made beforehand, while the worker starts.
    pub fn new() -> io::Result<Courier> {
        let (server, name) = IpcOneShotServer::<IpcSender<Request>>::new()?;
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(name)?)?;
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        (0..ROOM).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
        Ok(Courier { server, socket })
    }

    fn sender_over(self, socket: &OwnedFd) -> io::Result<IpcSender<Request>> {
        // In the message a sender is its place among the descriptors.
        let message = [0_u8];
        let headers = [HEADERS + message.len(), message.len()].map(usize::to_ne_bytes);
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut descriptors = SendAncillaryBuffer::new(&mut space);
        let passed = [socket.as_fd()];
        descriptors.push(SendAncillaryMessage::ScmRights(&passed));
        let packet = [&headers[0], &headers[1], &message[..]].map(IoSlice::new);
        sendmsg(&self.socket, &packet, &mut descriptors, SendFlags::NOSIGNAL)?;
        // The other end of the courier and the passed descriptor take one each. Where there is
        // no room the kernel drops the second in silence, and ipc-channel panics.
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let room = [socket.try_clone()?, socket.try_clone()?];
        drop(room);
        let (_, sender) = self.server.accept().map_err(io::Error::other)?;
        Ok(sender)
    }
}

/// A worker's two ends.
pub(crate) struct WorkerEnds {
    pub responses: Responses,
    pub requests: IpcReceiver<Request>,
    /// The descriptors under them, which a locked worker may still use.
    pub numbers: EndNumbers,
}

/// The descriptors of a worker's two ends.
#[derive(Copy, Clone, Debug)]
pub(crate) struct EndNumbers {
    pub responses: RawFd,
    pub requests: RawFd,
}

/// Sends responses to the supervisor.
pub(crate) struct Responses(IpcSender<Response>);

impl Responses {
    /// Sends one response. An error means that the supervisor is gone.
    pub fn send(&self, response: Response) -> Result<(), ipc_channel::IpcError> {
        fault::before_response(&response);
        let sent = self.0.send(response.clone());
        fault::after_response(&response);
        sent
    }
}

/// A worker's side of the handshake; ends with the first request.
pub(crate) fn greet(guard: &str) -> anyhow::Result<(WorkerEnds, Request)> {
    let (server, requests) = IpcOneShotServer::<Request>::new()?;
    let responses = Responses(IpcSender::connect(guard.to_owned())?);
    responses.send(Response::Hello { requests })?;
    let (requests, first) = server.accept()?;
    fault::after_request(&first);
    let numbers = end_numbers(guard)?;
    Ok((WorkerEnds { responses, requests, numbers }, first))
}

/// Finds the descriptors that ipc-channel keeps to itself: of this process's sockets,
/// the one connected to the guard is for responses, the other for requests.
fn end_numbers(guard: &str) -> anyhow::Result<EndNumbers> {
    let mut responses = None;
    let mut requests = None;
    for number in descriptors::open()? {
        let Some(peer) = descriptors::socket_peer(number) else { continue };
        let found = if peer == guard.as_bytes() { &mut responses } else { &mut requests };
        anyhow::ensure!(found.replace(number).is_none(), "there is a socket too many");
    }
    match (responses, requests) {
        (Some(responses), Some(requests)) => Ok(EndNumbers { responses, requests }),
        _ => anyhow::bail!("a socket is missing"),
    }
}

/// A message that was already serialised by a worker. Serialises to exactly these
/// bytes, because postcard writes the elements of a tuple and nothing else.
/// ipc-channel wants `Deserialize` of whatever it sends; nobody calls it.
#[derive(Deserialize)]
struct Verbatim(Vec<u8>);

impl Serialize for Verbatim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

/// How a worker broke the rules of the channel.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Violation {
    /// A packet of impossible length.
    #[error("it sent a packet of {0} bytes")]
    Length(usize),
    /// A packet whose headers do not fit its length.
    #[error("it sent a packet with wrong headers")]
    Headers,
    /// A well-formed packet that holds no response.
    #[error("it sent something that is no response")]
    Message,
    /// More responses than requests can have asked for.
    #[error("it sent responses that nobody asked for")]
    Flood,
    /// A response that does not fit what was asked.
    #[error("{0}")]
    Answer(&'static str),
}

/// What came out of a guard.
#[derive(Debug)]
pub(crate) enum Heard {
    Response(Response),
    /// The worker is gone, or has been cut off for a violation.
    Closed(Option<Violation>),
}

/// A socket that one worker is to connect to.
#[derive(Debug)]
pub(crate) struct Guard {
    listener: OwnedFd,
    path: PathBuf,
}

impl Guard {
    /// Opens the socket with this number in the directory.
    pub fn bind(directory: &SocketDirectory, number: u64) -> io::Result<Guard> {
        let path = directory.path().join(format!("guard-{number}"));
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        bind(&listener, &SocketAddrUnix::new(path.as_os_str().as_bytes())?)?;
        listen(&listener, 1)?;
        Ok(Guard { listener, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Passes a worker's responses to `hear` until the worker (`pid`, watched through
    /// its pidfd `process`) is gone or is cut off, which is the last thing heard.
    pub fn stand(
        self,
        process: BorrowedFd<'_>,
        pid: u32,
        mut hear: impl FnMut(Heard) -> Result<(), Violation>,
    ) {
        let violation = self.pass_on(process, pid, &mut hear).err();
        // Nobody is left to be told if this is refused.
        let _ = hear(Heard::Closed(violation));
    }

    fn pass_on(
        &self,
        process: BorrowedFd<'_>,
        pid: u32,
        hear: &mut impl FnMut(Heard) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let Some(connection) = self.accept(process, pid) else { return Ok(()) };
        let Ok((sender, receiver)) = ipc::channel::<Response>() else { return Ok(()) };
        let inner = Inner { sender: sender.to_opaque().to(), receiver };
        let mut packet = [0; MAX_RESPONSE];
        loop {
            // The process may die and leave its packets: they are read to the end.
            if ready(connection.as_fd(), process) == Ready::Gone {
                return Ok(());
            }
            let length = match recv(&connection, &mut packet, RecvFlags::TRUNC) {
                Ok((_, 0)) => return Ok(()),
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(_) => return Ok(()),
            };
            let message = check(&packet, length)?;
            hear(Heard::Response(inner.decode(message)?))?;
        }
    }

    /// The worker's connection; `None` if it died before it made one.
    fn accept(&self, process: BorrowedFd<'_>, pid: u32) -> Option<OwnedFd> {
        loop {
            if ready(self.listener.as_fd(), process) == Ready::Gone {
                return None;
            }
            let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
            match accept_with(&self.listener, SocketFlags::CLOEXEC) {
                // Whoever else found the way here is not listened to.
                Ok(connection) if is_from(&connection, pid) => return Some(connection),
                Ok(_) => {}
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What stays is removed with the directory.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// ipc-channel's own receiving end, which meets only packets of its own making.
struct Inner {
    sender: IpcSender<Verbatim>,
    receiver: IpcReceiver<Response>,
}

impl Inner {
    fn decode(&self, message: &[u8]) -> Result<Response, Violation> {
        let message = Verbatim(message.to_vec());
        self.sender.send(message).map_err(|_| Violation::Message)?;
        self.receiver.try_recv().map_err(|_| Violation::Message)
    }
}

/// The message in a packet whose real length is `length`.
fn check(packet: &[u8; MAX_RESPONSE], length: usize) -> Result<&[u8], Violation> {
    if length <= HEADERS || length > packet.len() {
        return Err(Violation::Length(length));
    }
    let (headers, message) = packet[..length].split_at(HEADERS);
    let (whole, rest) = headers.split_at(HEADERS / 2);
    let expected = [length.to_ne_bytes(), message.len().to_ne_bytes()];
    if whole != expected[0] || rest != expected[1] {
        return Err(Violation::Headers);
    }
    Ok(message)
}

fn is_from(connection: &OwnedFd, pid: u32) -> bool {
    let peer = rustix::net::sockopt::socket_peercred(connection);
    peer.is_ok_and(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()) == Ok(pid))
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum Ready {
    Readable,
    Gone,
}

/// Waits until `socket` can be read or `process` has ended with nothing left there.
fn ready(socket: BorrowedFd<'_>, process: BorrowedFd<'_>) -> Ready {
    let mut fds = [
        PollFd::from_borrowed_fd(socket, PollFlags::IN),
        PollFd::from_borrowed_fd(process, PollFlags::IN),
    ];
    loop {
        match poll(&mut fds, None) {
            Ok(_) if !fds[0].revents().is_empty() => return Ready::Readable,
            Ok(_) => return Ready::Gone,
            Err(Errno::INTR) => {}
            Err(_) => return Ready::Gone,
        }
    }
}

/// Takes bytes for packets, each behind its length, as a worker could send them: what passes is
/// a response, and nothing else is done with the rest.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(mut data: &[u8]) {
    while let Some((length, rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length));
        let held = length.min(rest.len());
        let mut packet = [0; MAX_RESPONSE];
        let copied = held.min(MAX_RESPONSE);
        packet[..copied].copy_from_slice(&rest[..copied]);
        if let Ok(message) = check(&packet, length) {
            assert!(length <= MAX_RESPONSE && message.len() + HEADERS == length);
            let _: Result<Response, _> = postcard::from_bytes(message);
        }
        // The same message under headers that are right.
        let message = &rest[..held.min(MAX_RESPONSE - HEADERS)];
        if let Ok(response) = postcard::from_bytes::<Response>(message) {
            let again = postcard::to_stdvec(&response).unwrap_or_default();
            assert!(again.len() <= message.len());
            assert_eq!(postcard::from_bytes(&again), Ok(response));
        }
        data = &rest[held..];
    }
}
