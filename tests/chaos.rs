//! Chaos: processes are killed (SIGKILL) while the program works, and nothing may come
//! of it: the output is the same byte for byte, nothing is left over, and the
//! supervisor is afterwards what it was before.
//!
//! This test process is itself the supervisor (it calls [`host::run`]), so that its
//! descriptors, threads and memory can be compared; one test drives the program `host`
//! from outside.
//!
//! **When does a kill count?** Killing a worker that has nothing to do proves nothing.
//! A kill counts here only if the supervisor afterwards had a single record processed
//! alone. It does that with one kind of record only: one that it found in progress, in
//! the shared memory, when a worker died. So every such record is a kill that landed
//! inside a range, in the middle of a record. Kills between two records of a range are
//! not counted, though they land in a range as well.
//!
//! Kills follow the run's own progress, not a clock: a worker that has just answered
//! has its next range before it already, and is killed a moment into that.

#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of the program share their plugins, and a test that cannot go on has failed"
)]
#[path = "host/wat.rs"]
mod wat;

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _, copy};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use host::{Account, Cache, Event, Exit, Job, JobBuilder, Order, Output};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, wait};

const WORKERS: usize = 3;
/// Times that the 1,000 events of the repository stand in the input: about 82 MB.
const COPIES: u64 = 130;
/// Bytes of a range: a worker takes a millisecond or two for one.
const RANGE: u64 = 256 << 10;
/// Kills that have to land in the middle of a record; a quarter to a half of all do.
const LANDED: usize = 20;
/// Runs in which they may do so.
const ROUNDS: u64 = 5;
/// As many as this in one run, and the run is left in peace.
const ENOUGH: usize = 40;
/// A worker that has answered is killed with this chance: one in ...
const CHANCE: u64 = 2;
/// ... and at most so long after, in microseconds.
const MOMENT: u64 = 500;
/// What the supervisor may hold in memory after all runs beyond what it held after the
/// first, in bytes: the allocator keeps some, even where it is asked to give it back.
const MORE_MEMORY: u64 = 20 << 20;
/// A guard against hanging, far beyond what anything takes.
const HANG: Duration = Duration::from_secs(240);

const WORKER: &str = "host: worker";
const COMPILE: &str = "host: compile";

fn main() -> ExitCode {
    host::init();
    let under_way = Arc::new(Mutex::new("the undisturbed run"));
    let watched = Arc::clone(&under_way);
    // A run that hangs ends the test, which ends the workers.
    std::thread::spawn(move || {
        std::thread::sleep(HANG);
        let name = *watched.lock().unwrap_or_else(PoisonError::into_inner);
        println!("FAILED  {name}: it hangs (after {} s)", HANG.as_secs());
        std::process::exit(1);
    });
    let field = match Field::new() {
        Ok(field) => field,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    type Test = fn(&Field) -> Result<String>;
    let tests: [(&str, Test); 9] = [
        ("killed_workers_lose_no_record_of_a_file", of_a_file),
        ("killed_workers_lose_no_record_of_a_stream", of_a_stream),
        ("killed_workers_neither_lose_nor_repeat_without_order", without_order),
        ("killed_workers_leave_the_result_of_a_reduce_as_it_is", of_a_reduce),
        ("killed_workers_leave_what_a_batch_makes_as_it_is", of_a_batch),
        ("a_killed_compile_worker_is_started_again", compile_worker),
        ("a_compile_worker_that_is_always_killed_ends_the_job", compile_worker_always),
        ("the_program_survives_kills_from_outside", the_program),
        ("no_worker_outlives_a_killed_supervisor", killed_supervisor),
    ];
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests {
        let began = Instant::now();
        *under_way.lock().unwrap_or_else(PoisonError::into_inner) = name;
        // Every test leaves this process as it found it.
        let result = test(&field).and_then(|text| field.is_as_before().map(|after| (text, after)));
        let took = began.elapsed().as_secs_f64();
        match result {
            Ok((text, after)) => {
                passed += 1;
                println!("passed  {name} ({took:.1} s): {text}; {after}");
            }
            Err(error) => {
                failed += 1;
                println!("FAILED  {name} ({took:.1} s): {error:#}");
            }
        }
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn of_a_file(field: &Field) -> Result<String> {
    field.disturb(1, |seed| {
        let disturbed = field.disturbed(seed, |job| job.file(field.input()))?;
        field.compare(&disturbed.output)?;
        Ok(disturbed)
    })
}

fn of_a_stream(field: &Field) -> Result<String> {
    field.disturb(2, |seed| {
        let (reader, writer) = std::io::pipe()?;
        let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
        let input = field.input();
        let disturbed = std::thread::scope(|scope| {
            let feeder = scope.spawn(move || {
                let mut writer = writer;
                copy(&mut File::open(input)?, &mut writer)
            });
            let disturbed = field.disturbed(seed, |job| job.file(path).from(host::From::Ndjson));
            // If the run broke off, the feeder must not wait for it.
            drop(reader);
            let fed = feeder.join().map_err(|_| anyhow!("the feeder panicked"))?;
            disturbed.and_then(|disturbed| fed.map(|_| disturbed).context("the feeder"))
        })?;
        field.compare(&disturbed.output)?;
        Ok(disturbed)
    })
}

fn without_order(field: &Field) -> Result<String> {
    field.disturb(3, |seed| {
        let disturbed = field.disturbed(seed, |job| job.file(field.input()).order(Order::Any))?;
        ensure!(
            Lines::of(&disturbed.output)? == field.expected,
            "the output has other lines than that of the undisturbed run"
        );
        Ok(disturbed)
    })
}

/// The reduce gives every record that the filter keeps, in the order of its state.
fn of_a_reduce(field: &Field) -> Result<String> {
    let reduce = field.path("reduce.wat");
    fs::write(&reduce, harmless(&wat::reduce()))?;
    field.disturb(5, |seed| {
        let disturbed = field.disturbed(seed, |job| job.then(&reduce).file(field.input()))?;
        field.compare(&disturbed.output)?;
        Ok(disturbed)
    })
}

/// The batch makes two of every record that the filter keeps.
fn of_a_batch(field: &Field) -> Result<String> {
    let batch = field.path("batch.wat");
    fs::write(&batch, harmless(&wat::batch()))?;
    field.disturb(6, |seed| {
        let disturbed = field.disturbed(seed, |job| job.then(&batch).file(field.input()))?;
        let once = field.path("once.ndjson");
        let mut writer = BufWriter::new(File::create(&once)?);
        let mut lines = BufReader::new(File::open(&disturbed.output)?).split(b'\n');
        while let Some(line) = lines.next().transpose()? {
            ensure!(Some(&line) == lines.next().transpose()?.as_ref(), "a line is there once");
            writer.write_all(&line)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        field.compare(&once)?;
        Ok(disturbed)
    })
}

/// A plugin that does to no record what it does to those with certain bytes.
fn harmless(plugin: &str) -> String {
    ["33", "45", "63"].iter().fold(plugin.to_owned(), |plugin, byte| {
        plugin.replace(&format!("(i32.const {byte})"), "(i32.const 0)")
    })
}

fn compile_worker(field: &Field) -> Result<String> {
    // Five deaths are forgiven: at the start, while it reads, while it compiles.
    let moments = [20, 0, 30, 5, 10].map(Duration::from_millis);
    let (killed, (account, output)) = while_killing_compile_workers(&moments, || {
        let output = field.path("compile.ndjson");
        let job = field.job(&output).file(field.input()).build()?;
        Ok((host::run(&job, &mut |_| {})?, output))
    })?;
    ensure!(killed > 0, "no compile worker was there to be killed");
    field.compare(&output)?;
    ensure!(account.restarts == 0, "{} workers were replaced too", account.restarts);
    Ok(format!("{killed} compile workers killed"))
}

fn compile_worker_always(field: &Field) -> Result<String> {
    let moments = [5, 0, 5, 0, 5, 0].map(Duration::from_millis);
    let (_, error) = while_killing_compile_workers(&moments, || {
        let output = field.path("never.ndjson");
        let job = field.job(&output).file(field.input()).build()?;
        match host::run(&job, &mut |_| {}) {
            Ok(_) => bail!("the job was done"),
            Err(failed) => Ok(failed.error),
        }
    })?;
    let text = error.to_string();
    ensure!(text.contains("died 6 times") && text.contains("SIGKILL"), "its error was: {text}");
    ensure!(error.exit_code() == 1, "its exit code is {}", error.exit_code());
    Ok(text)
}

/// Runs something while a thread kills the compile workers of this process, each when
/// it has used so much CPU time. Also gives how many it killed.
fn while_killing_compile_workers<T>(
    moments: &[Duration],
    run: impl FnOnce() -> Result<T>,
) -> Result<(usize, T)> {
    let (over, killed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut victims = Vec::new();
            for moment in moments {
                while !over.load(Ordering::Relaxed) {
                    // One that was killed is in sight for a moment longer.
                    let mut pids = children_named(std::process::id(), COMPILE).into_iter();
                    let ripe =
                        pids.find(|pid| !victims.contains(pid) && cpu_time(*pid) >= Some(*moment));
                    if let Some(pid) = ripe.filter(|pid| kill(*pid)) {
                        victims.push(pid);
                        break;
                    }
                    std::thread::yield_now();
                }
            }
            killed.store(victims.len(), Ordering::Relaxed);
        });
        let result = run();
        over.store(true, Ordering::Relaxed);
        result
    });
    Ok((killed.into_inner(), result?))
}

/// The program, fed piece by piece; after each piece one of its processes is killed.
fn the_program(field: &Field) -> Result<String> {
    let (output, report) = (field.path("program.ndjson"), field.path("report"));
    let mut program = field.program(&output).stderr(File::create(&report)?).spawn()?;
    let mut pieces = program.stdin.take().context("it has a standard input")?;
    let compile = wait_until(&mut program, |program| {
        let pids = children_named(program, COMPILE).into_iter();
        let mut ripe = pids.filter(|pid| cpu_time(*pid) >= Some(Duration::from_millis(10)));
        ripe.find(|pid| kill(*pid))
    })?;
    let mut input = File::open(field.input())?;
    let mut piece = vec![0; 1 << 20];
    let mut dice = Dice(4);
    let (mut killed, mut seen) = (0, vec![compile]);
    loop {
        let length = input.read(&mut piece)?;
        if length == 0 {
            break;
        }
        // A program that has ended is judged below.
        if pieces.write_all(&piece[..length]).is_err() {
            break;
        }
        let workers = children_named(program.id(), WORKER);
        for pid in &workers {
            if !seen.contains(pid) {
                seen.push(*pid);
            }
        }
        if !workers.is_empty() && kill(workers[dice.below(workers.len() as u64) as usize]) {
            killed += 1;
        }
    }
    drop(pieces);
    let status = program.wait()?;
    let report = fs::read_to_string(report)?;
    ensure!(status.code() == Some(0), "it ended with {status}: {}", report.trim());
    let left: Vec<&Pid> = seen.iter().filter(|pid| is_alive(**pid)).collect();
    ensure!(left.is_empty(), "processes are left: {left:?}");
    field.compare(&output)?;
    ensure!(killed >= LANDED, "only {killed} workers were killed: {}", report.trim());
    ensure!(report.contains(" restarts"), "it does not speak of restarts: {}", report.trim());
    Ok(format!("the compile worker and {killed} workers killed"))
}

fn killed_supervisor(field: &Field) -> Result<String> {
    let mut program = field.program(&field.path("unfinished.ndjson")).spawn()?;
    let mut feed = program.stdin.take().context("it has a standard input")?;
    let input = field.input();
    let workers = std::thread::scope(|scope| {
        // As much as it takes: they are all to have work.
        scope.spawn(move || {
            while File::open(&input).is_ok_and(|mut input| copy(&mut input, &mut feed).is_ok()) {}
        });
        // The third is started only if the first two have too much to do.
        let workers = wait_until(&mut program, |program| {
            Some(children_named(program, WORKER)).filter(|workers| workers.len() > 1)
        });
        // In every case, because it also ends the feeder.
        program.kill()?;
        program.wait()?;
        workers
    })?;
    // The kernel kills them; that takes as long as it takes.
    while workers.iter().any(|pid| is_alive(*pid)) {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(format!("{} workers went with it", workers.len()))
}

fn wait_until<T>(program: &mut Child, ready: impl Fn(u32) -> Option<T>) -> Result<T> {
    loop {
        if let Some(found) = ready(program.id()) {
            return Ok(found);
        }
        if let Some(status) = program.try_wait()? {
            bail!("it ended early with {status}");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The input, what an undisturbed run makes of it, and what this process was like
/// after that.
struct Field {
    directory: tempfile::TempDir,
    expected: Lines,
    before: Condition,
}

/// A run in which workers were killed.
struct Disturbed {
    account: Account,
    output: PathBuf,
    /// Workers that died of a kill that was not the supervisor's.
    killed: usize,
    /// Kills that landed in the middle of a record; see the top of this file.
    landed: usize,
}

impl Disturbed {
    fn judge(&self) -> Result<()> {
        let Disturbed { account, killed, .. } = self;
        ensure!(
            account.read() == COPIES * 1000 && account.skipped + account.failed == 0,
            "the account is wrong: {account}"
        );
        // Who is killed when everything is done need not be replaced.
        let restarts = usize::try_from(account.restarts)?;
        ensure!(
            (restarts..=restarts + WORKERS).contains(killed),
            "{killed} workers were killed, but {restarts} replaced"
        );
        Ok(())
    }
}

impl Field {
    fn new() -> Result<Field> {
        let directory = tempfile::Builder::new().prefix("chaos-").tempdir()?;
        let expected = make_input(&directory.path().join("input.ndjson"))?;
        let mut field = Field { directory, expected, before: Condition::default() };
        let reference = field.path("reference.ndjson");
        let job = field.job(&reference).file(field.input()).build()?;
        let account = host::run(&job, &mut |_| {})?;
        ensure!(account.restarts == 0, "workers died in the undisturbed run");
        ensure!(
            Lines::of(&reference)? == field.expected,
            "the undisturbed run does not give what a plain search gives"
        );
        field.before = Condition::now()?;
        Ok(field)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn input(&self) -> PathBuf {
        self.path("input.ndjson")
    }

    /// The program, about to work on its standard input.
    fn program(&self, output: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_host"));
        command
            .arg("--plugin")
            .arg(plugin())
            .args(["--workers", &WORKERS.to_string(), "--from", "ndjson", "-o"])
            .arg(output)
            // One that is killed leaves its directory for sockets behind.
            .env_remove("XDG_RUNTIME_DIR")
            .env("TMPDIR", self.directory.path())
            .env("XDG_CACHE_HOME", self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn job(&self, output: &Path) -> JobBuilder {
        Job::builder(plugin())
            .workers(WORKERS)
            .range_size(RANGE)
            .cache(Cache::Off)
            .output(Output::Path(output.to_owned()))
    }

    /// Runs a job and kills its workers as they work.
    fn disturbed(
        &self,
        seed: u64,
        input: impl FnOnce(JobBuilder) -> JobBuilder,
    ) -> Result<Disturbed> {
        let output = self.path(&format!("disturbed-{seed}.ndjson"));
        let job = input(self.job(&output)).build()?;
        let mut dice = Dice(seed);
        let mut processes: HashMap<u32, Arc<OwnedFd>> = HashMap::new();
        let (mut killed, mut landed) = (0, 0);
        let account = std::thread::scope(|scope| {
            let killer = start_killer(scope);
            host::run(&job, &mut |event| match event {
                Event::Online { pid, .. } => {
                    if let Some(process) = open(pid) {
                        processes.insert(pid, Arc::new(process));
                    }
                }
                Event::Message { used, dropped, .. } if used + dropped == 1 => landed += 1,
                Event::Message { pid, .. } if landed < ENOUGH && dice.below(CHANCE) == 0 => {
                    if let Some(process) = processes.get(&pid) {
                        let delay = Duration::from_micros(dice.below(MOMENT));
                        // The killer lives as long as this scope.
                        let _ = killer.send((Arc::clone(process), delay));
                    }
                }
                Event::Exit { exit: Exit::Signal(9), .. } => killed += 1,
                _ => {}
            })
        })?;
        Ok(Disturbed { account, output, killed, landed })
    }

    /// Disturbs a run, which is judged, and more runs until enough kills have landed.
    fn disturb(&self, seed: u64, run: impl Fn(u64) -> Result<Disturbed>) -> Result<String> {
        let (mut killed, mut landed) = (0, 0);
        for round in 0..ROUNDS {
            let disturbed = run(seed + round * 1000)?;
            disturbed.judge()?;
            killed += disturbed.killed;
            landed += disturbed.landed;
            if landed >= LANDED {
                return Ok(format!("{killed} workers killed, {landed} of them inside a record"));
            }
        }
        bail!("only {landed} of {killed} kills landed inside a record")
    }

    /// Demands that a file is what the undisturbed run wrote, byte for byte.
    fn compare(&self, output: &Path) -> Result<()> {
        let mut ours = BufReader::new(File::open(output)?);
        let mut reference = BufReader::new(File::open(self.path("reference.ndjson"))?);
        let mut at = 0;
        loop {
            let (left, right) = (ours.fill_buf()?, reference.fill_buf()?);
            let length = left.len().min(right.len());
            ensure!(
                left[..length] == right[..length] && left.is_empty() == right.is_empty(),
                "the output is not the undisturbed run's: from byte {at} or a little later"
            );
            if length == 0 {
                break;
            }
            at += length;
            ours.consume(length);
            reference.consume(length);
        }
        // Whoever comes next needs the room.
        fs::remove_file(output)?;
        Ok(())
    }

    /// Demands that this process is what it was before.
    fn is_as_before(&self) -> Result<String> {
        let now = Condition::now()?;
        let Condition { descriptors, threads, children, memory } = now;
        let before = &self.before;
        ensure!(
            descriptors == before.descriptors,
            "descriptors: {} before, {descriptors} after",
            before.descriptors
        );
        ensure!(threads == before.threads, "threads: {} before, {threads} after", before.threads);
        ensure!(!children, "a child process is left, or was not waited for");
        ensure!(
            memory <= before.memory + MORE_MEMORY,
            "memory: {} MiB before, {} MiB after",
            before.memory >> 20,
            memory >> 20
        );
        let (was, is) = (before.memory >> 20, memory >> 20);
        Ok(format!("{descriptors} descriptors as before, {is} MiB of memory ({was} before)"))
    }
}

/// What a process leaves behind in itself.
#[derive(Clone, Debug, Default)]
struct Condition {
    descriptors: usize,
    threads: usize,
    /// There are children, or ended ones that nobody has waited for.
    children: bool,
    /// Resident, in bytes.
    memory: u64,
}

impl Condition {
    fn now() -> Result<Condition> {
        give_memory_back();
        let status = fs::read_to_string("/proc/self/status")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|size| size.trim().strip_suffix(" kB")).context("VmRSS")?;
        // A thread that has been joined may still be visible for a moment.
        let mut threads = usize::MAX;
        for _ in 0..1000 {
            threads = fs::read_dir("/proc/self/task")?.count();
            if threads <= 2 {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Condition {
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            threads,
            children: !matches!(wait(WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD)),
            memory: memory.trim().parse::<u64>()? << 10,
        })
    }
}

/// Has the allocator give back what nobody uses: the states of a reduce are large, and what
/// it keeps of them is no leak.
#[allow(unsafe_code, reason = "there is no safe name for this call")]
fn give_memory_back() {
    // SAFETY: it takes a number and touches only memory that is free.
    unsafe { libc::malloc_trim(0) };
}

type Victim = (Arc<OwnedFd>, Duration);

/// A thread that kills, each victim a moment after it was named.
fn start_killer<'scope>(scope: &'scope std::thread::Scope<'scope, '_>) -> Sender<Victim> {
    let (orders, named) = channel::<Victim>();
    scope.spawn(move || {
        for (process, delay) in named {
            std::thread::sleep(delay);
            // Dead already is dead too.
            let _ = pidfd_send_signal(&*process, Signal::KILL);
        }
    });
    orders
}

fn open(pid: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Kills a process; false if it was gone.
fn kill(pid: Pid) -> bool {
    rustix::process::kill_process(pid, Signal::KILL).is_ok()
}

/// CPU time that a process has used; none of one that is gone.
fn cpu_time(pid: Pid) -> Option<Duration> {
    let pid = nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get());
    let used = nix::time::clock_getcpuclockid(pid).ok()?.now().ok()?;
    Some(used.into())
}

/// A process that runs, or could: a zombie does not count.
fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // The state follows the name, which stands in parentheses.
    let state = stat.ok().and_then(|stat| stat.rsplit(')').next()?.trim().chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The children of a process that carry this name and have not ended.
fn children_named(parent: u32, name: &str) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return Vec::new() };
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let children = lists.flat_map(|list| {
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
    });
    children
        .filter(|pid| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            arguments.split(|byte| *byte == 0).next() == Some(name.as_bytes())
        })
        .filter_map(Pid::from_raw)
        .filter(|pid| is_alive(*pid))
        .collect()
}

fn plugin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/filter/filter.wasm")
}

/// Lines of a file, whatever their order.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
struct Lines {
    count: u64,
    bytes: u64,
    /// Sum of the lines' hashes.
    sum: u64,
}

impl Lines {
    fn of(path: &Path) -> Result<Lines> {
        let mut lines = Lines::default();
        let mut reader = BufReader::new(File::open(path)?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            lines.add(&line);
            line.clear();
        }
        Ok(lines)
    }

    fn add(&mut self, line: &[u8]) {
        let mut hasher = DefaultHasher::new();
        hasher.write(line);
        self.count += 1;
        self.bytes += line.len() as u64;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// Writes the repository's events again and again, each with an id of its own, and
/// gives the lines that the plugin has to keep: found by a plain search, because in
/// this data the string occurs nowhere but in the member that the plugin looks at.
fn make_input(path: &Path) -> Result<Lines> {
    const WANTED: &str = r#","type":"PushEvent","#;
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/events.ndjson");
    let events = fs::read_to_string(events)?;
    let mut expected = Lines::default();
    let mut input = BufWriter::new(File::create(path)?);
    let mut line = String::new();
    for copy in 0..COPIES {
        for (number, event) in events.lines().enumerate() {
            let rest = event.strip_prefix(r#"{"id":""#).and_then(|rest| rest.split_once('"'));
            let (_, rest) = rest.context("an event begins with its id")?;
            line.clear();
            line += &format!(r#"{{"id":"{}"{rest}"#, 50_000_000_000 + copy * 1000 + number as u64);
            line.push('\n');
            if line.contains(WANTED) {
                expected.add(line.as_bytes());
            }
            input.write_all(line.as_bytes())?;
        }
    }
    input.flush()?;
    ensure!(expected.count > 0, "the data has nothing to keep");
    Ok(expected)
}

/// Pseudo-random numbers (xorshift64*), the same for the same seed.
struct Dice(u64);

impl Dice {
    /// A number from 0 up to, but not including, `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
