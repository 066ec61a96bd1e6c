//! One run of the program, or several that go on from each other, with faults.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A run that goes on longer than this hangs.
const HANGS: Duration = Duration::from_secs(120);

/// A directory with a plugin and an input.
pub struct Scene {
    directory: TempDir,
    /// What `--cache` is.
    cache: &'static str,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub said: String,
}

impl Scene {
    pub fn new(plugin: &str, input: (&str, &[u8])) -> Result<Scene, String> {
        let directory = tempfile::tempdir().map_err(text)?;
        fs::write(directory.path().join("plugin.wat"), plugin).map_err(text)?;
        fs::write(directory.path().join(input.0), input.1).map_err(text)?;
        fs::write(directory.path().join("log"), "").map_err(text)?;
        fs::create_dir(directory.path().join("tmp")).map_err(text)?;
        // So that every run compiles.
        Ok(Scene { directory, cache: "off" })
    }

    /// The same with a cache for compiled plugins, if that is wanted.
    pub fn caching(self, wanted: bool) -> Scene {
        Scene { cache: if wanted { "cache" } else { "off" }, ..self }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What is in a file; nothing if there is none.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_default()
    }

    /// Runs the program with these faults. `stdin` is a file to read, if it reads one.
    pub fn run(&self, arguments: &str, faults: &str, stdin: Option<&str>) -> Result<Ended, String> {
        let said = fs::File::create(self.path("said")).map_err(text)?;
        // Shells have what goes on behind them ignore this signal.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_host")]);
        command.current_dir(self.directory.path()).args(["--plugin", "plugin.wat"]);
        // Those that stop a compile worker do not want to wait long.
        command.args(["--cache", self.cache, "--compile-timeout", "4s"]);
        command.args(arguments.split_whitespace()).env("HOST_FAULTS", faults);
        command.env("HOST_FAULTS_LOG", self.path("log")).env("TMPDIR", self.path("tmp"));
        command.env_remove("XDG_RUNTIME_DIR").stdout(Stdio::null()).stderr(said);
        match stdin {
            // Through a pipe, as a stream comes.
            Some(name) => {
                let cat = Command::new("cat").arg(self.path(name)).stdout(Stdio::piped()).spawn();
                let mut cat = cat.map_err(text)?;
                let pipe = cat.stdout.take().ok_or("no pipe")?;
                let ended = wait(command.stdin(pipe).spawn().map_err(text)?);
                let _ = cat.wait();
                return self.ended(ended?);
            }
            None => command.stdin(Stdio::null()),
        };
        self.ended(wait(command.spawn().map_err(text)?)?)
    }

    fn ended(&self, code: Option<i32>) -> Result<Ended, String> {
        let said = String::from_utf8_lossy(&self.read("said")).into_owned();
        match said.contains("panicked") {
            true => Err(format!("it panicked: {said}")),
            false => Ok(Ended { code, said }),
        }
    }

    /// The faults that have fired, `point action` each.
    pub fn fired(&self) -> Vec<String> {
        let log = self.read("log");
        let lines = log.get(8..).unwrap_or_default().chunks(120);
        let lines =
            lines.map(|line| String::from_utf8_lossy(line).trim_end_matches('\0').to_owned());
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// The numbers of the records in the dead letters.
    pub fn letters(&self) -> Result<Vec<u64>, String> {
        let text = String::from_utf8(self.read("dead")).map_err(|error| error.to_string())?;
        let number = |line: &str| {
            let letter: Value =
                serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
            letter["record"].as_u64().ok_or_else(|| format!("no number: {line}"))
        };
        text.lines().map(number).collect()
    }

    /// Checks that the account adds up, and covers so many records.
    pub fn check_account(&self, records: u64) -> Result<(), String> {
        let bytes = self.read("stats");
        let stats: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let records_of = |name: &str| stats["records"][name].as_u64().unwrap_or(u64::MAX / 8);
        let parts = ["used", "dropped", "skipped", "dead_lettered", "failed"];
        let sum: u64 = parts.iter().map(|part| records_of(part)).sum();
        match (sum == records_of("read"), sum == records) {
            (true, true) => Ok(()),
            _ => Err(format!("the account does not add up to {records}: {stats}")),
        }
    }

    /// Checks that nothing is left over.
    pub fn check_rest(&self, wanted: &[&str]) -> Result<(), String> {
        let entries = fs::read_dir(self.directory.path()).map_err(text)?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let known = ["plugin.wat", "log", "said", "stats", "tmp", "cache"];
        let other: Vec<String> = names
            .filter(|name| !known.contains(&name.as_str()) && !wanted.contains(&name.as_str()))
            .collect();
        match other.is_empty() {
            true => Ok(()),
            false => Err(format!("left over: {other:?}")),
        }
    }
}

pub fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// Waits for the end. A supervisor that has stopped itself is continued.
fn wait(mut child: Child) -> Result<Option<i32>, String> {
    let began = Instant::now();
    let stat = format!("/proc/{}/stat", child.id());
    loop {
        if let Some(status) = child.try_wait().map_err(text)? {
            return Ok(status.code());
        }
        let state = fs::read_to_string(&stat).unwrap_or_default();
        if state.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T')) {
            std::thread::sleep(Duration::from_millis(30));
            let _ = kill_process(Pid::from_child(&child), Signal::CONT);
        }
        if began.elapsed() > HANGS {
            let _ = child.kill();
            let _ = child.wait();
            return Err("it hangs".into());
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Does something for each of many, on all cores; gives what came of each, in order.
pub fn side_by_side<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let done = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from) + 1;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(one) = all.get(index) else { return };
                    let result = work(one);
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    done.push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
