//! Running the program: a directory with files, a command line, and what came of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::account::Account;

/// A run that is still going on after this long hangs. It is ended so that the test
/// fails instead of standing still; no test passes because of it. (Whoever takes out a defence
/// whose attack hangs wants to wait less long.)
fn hangs() -> Duration {
    let wanted = std::env::var("HOSTILE_HANG").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(wanted.unwrap_or(300))
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A directory of its own for one test; the program runs in it, so that messages name
/// files as the test does.
pub struct Scene {
    directory: TempDir,
}

impl Scene {
    pub fn new() -> Scene {
        Scene { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Scene {
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with a plugin given as text.
    pub fn host(&self, plugin: &str) -> Host {
        self.file("plugin.wat", plugin);
        self.host_with("plugin.wat")
    }

    /// The program with a plugin file.
    pub fn host_with(&self, plugin: impl AsRef<OsStr>) -> Host {
        self.bare().arg("--plugin").arg(plugin)
    }

    /// The program with a plugin given as text, under a limit of the shell (`ulimit`).
    pub fn limited(&self, limit: &str, plugin: &str) -> Host {
        self.file("plugin.wat", plugin);
        let Host { mut command, stdin } = self.bare();
        let program = command.get_program().to_owned();
        command = Command::new("sh");
        command.current_dir(self.directory.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command.arg("-c").arg(format!("ulimit {limit} && exec \"$0\" \"$@\"")).arg(program);
        Host { command, stdin }.args("--plugin plugin.wat")
    }

    /// The program without any argument.
    pub fn bare(&self) -> Host {
        self.host_in(self.directory.path())
    }

    /// The same in another directory.
    pub fn host_in(&self, directory: &Path) -> Host {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command.current_dir(directory).stdout(Stdio::piped()).stderr(Stdio::piped());
        // One for all tests, which use it side by side, and not that of whoever runs them.
        command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        Host { command, stdin: Stdin::Nothing }
    }
}

/// Runs a plugin, given as text, over a text that comes as standard input.
pub fn over(plugin: &str, arguments: &str, text: &str) -> Ran {
    Scene::new().host(plugin).args(arguments).stdin(text).run()
}

enum Stdin {
    Nothing,
    /// For a program that is started, and written to by the test.
    Pipe,
    Bytes(Vec<u8>),
    File(File),
}

/// A command line in the making.
pub struct Host {
    command: Command,
    stdin: Stdin,
}

impl Host {
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Host {
        self.command.arg(argument);
        self
    }

    /// Arguments as one would type them; none of them holds a space.
    pub fn args(mut self, arguments: &str) -> Host {
        self.command.args(arguments.split_whitespace());
        self
    }

    /// Standard input is a pipe with these bytes.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Host {
        self.stdin = Stdin::Bytes(bytes.as_ref().to_vec());
        self
    }

    /// Standard input is this file, from where it stands.
    pub fn stdin_file(mut self, file: File) -> Host {
        self.stdin = Stdin::File(file);
        self
    }

    /// Standard input is a pipe that the test writes to.
    pub fn stdin_pipe(mut self) -> Host {
        self.stdin = Stdin::Pipe;
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Host {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(mut self, name: &str) -> Host {
        self.command.env_remove(name);
        self
    }

    pub fn stdout(mut self, to: impl Into<Stdio>) -> Host {
        self.command.stdout(to);
        self
    }

    pub fn stderr(mut self, to: impl Into<Stdio>) -> Host {
        self.command.stderr(to);
        self
    }

    /// Signals that end a program do so, even where whoever runs the tests ignores them, as
    /// shells have it for what goes on behind them.
    pub fn heeds_signals(self) -> Host {
        let Host { command, stdin } = self;
        let mut heeding = Command::new("env");
        heeding.arg("--default-signal=HUP,INT,TERM").arg(command.get_program());
        heeding.args(command.get_args());
        for (name, value) in command.get_envs() {
            heeding.env(name, value.unwrap_or_default());
        }
        heeding.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
        heeding.stdout(Stdio::piped()).stderr(Stdio::piped());
        Host { command: heeding, stdin }
    }

    /// Runs to the end. What was not sent elsewhere before is collected.
    #[track_caller]
    pub fn run(self) -> Ran {
        let Host { mut command, stdin } = self;
        let bytes = match stdin {
            Stdin::Nothing | Stdin::Pipe => {
                command.stdin(Stdio::null());
                None
            }
            Stdin::File(file) => {
                command.stdin(file);
                None
            }
            Stdin::Bytes(bytes) => {
                command.stdin(Stdio::piped());
                Some(bytes)
            }
        };
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = std::thread::scope(|scope| {
            scope.spawn(move || {
                if let (Some(mut stdin), Some(bytes)) = (stdin, bytes) {
                    // A program that stops early closes it.
                    let _ = stdin.write_all(&bytes);
                }
            });
            let stderr = scope.spawn(move || collect(stderr));
            (collect_or_end(stdout, &child), stderr.join().unwrap())
        });
        let status = child.wait().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(!stderr.contains("panicked"), "the program panicked: {stderr}");
        let code = status.code().unwrap_or_else(|| panic!("it ended by {status}: {stderr}"));
        Ran { code, stdout, stderr }
    }

    /// Starts with piped output, for tests that look before the end.
    pub fn start(mut self) -> Child {
        let file = match self.stdin {
            Stdin::File(file) => file.into(),
            Stdin::Pipe => Stdio::piped(),
            Stdin::Nothing | Stdin::Bytes(_) => Stdio::null(),
        };
        self.command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

fn collect(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// Reads everything; ends the program if that hangs.
fn collect_or_end(from: Option<impl Read>, child: &Child) -> Vec<u8> {
    let pid = Pid::from_child(child);
    let (done, wait) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(hangs()) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let bytes = collect(from);
        drop(done);
        bytes
    })
}

/// What a user sees after a run.
pub struct Ran {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Ran {
        assert_eq!(self.code, code, "exit code; it said: {}", self.stderr);
        self
    }

    #[track_caller]
    pub fn writes(&self, bytes: impl AsRef<[u8]>) -> &Ran {
        same(&self.stdout, bytes.as_ref());
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Ran {
        assert!(self.stderr.contains(text), "{text:?} is not in what it said: {}", self.stderr);
        self
    }

    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Ran {
        assert!(!self.stderr.contains(text), "{text:?} is in what it said: {}", self.stderr);
        self
    }

    /// The account, which has to add up.
    #[track_caller]
    pub fn account(&self) -> Account {
        Account::of(&self.stderr)
    }

    /// The same where fewer records may be written than were used: of a reduce or a command.
    #[track_caller]
    pub fn account_of_any(&self) -> Account {
        Account::of_any(&self.stderr)
    }
}

/// Asserts that two outputs are the same, and shows no more of them than is needed.
#[track_caller]
pub fn same(found: &[u8], wanted: &[u8]) {
    if found == wanted {
        return;
    }
    let at = found.iter().zip(wanted).take_while(|(found, wanted)| found == wanted).count();
    let shown = |bytes: &[u8]| {
        let around = &bytes[at.saturating_sub(40).min(bytes.len())..(at + 80).min(bytes.len())];
        String::from_utf8_lossy(around).into_owned()
    };
    panic!(
        "output of {} bytes differs from the {} wanted at byte {at}\n found: {:?}\nwanted: {:?}",
        found.len(),
        wanted.len(),
        shown(found),
        shown(wanted),
    );
}
