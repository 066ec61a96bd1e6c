//! The driver: runs every attack against a supervisor of its own and judges it.

use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::attacks::{self, Attack, By, ENDED, Outcome, ROWS, Table, keeps_all, rows};
use crate::control_group::ControlGroup;
use crate::supervise::Summary;
use crate::{ATTACKED, MARK, SECRET, is_kept};

/// Attacks that are under way at once.
const AT_ONCE: usize = 8;
/// A supervisor that has not ended after this many seconds hangs. The slowest attack
/// takes two of the supervisor's limits of 20 s on a busy machine. Where hanging is
/// what is expected (see `table.py`), the variable says a shorter time.
const HANG: u64 = 120;
const HANG_VARIABLE: &str = "HOSTILE_HANG";

/// How much the supervisor's own memory may grow in a run, in KiB: buffers and what
/// allocators keep, but nothing that a worker or a plugin could make larger.
const GROWTH: u64 = 32 << 10;
/// What is logged of a record at most, in bytes, and the number of lines.
const LOGGED: (usize, usize) = (64 << 10, 2000);

/// What a run should give.
struct Expected {
    output: Vec<u8>,
    read: u64,
    used: u64,
    skipped: u64,
}

struct Verdict {
    name: String,
    result: Result<String>,
    took: Duration,
}

pub fn main(arguments: &[&str]) -> ExitCode {
    let words = arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
    match attack_all(&Wanted { words, exact: arguments.contains(&"--exact") }) {
        Ok(verdicts) => report(&verdicts),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Which attacks are to run.
struct Wanted<'a> {
    /// Parts of names; none for all attacks.
    words: Vec<&'a str>,
    /// They are whole names.
    exact: bool,
}

impl Wanted<'_> {
    fn has(&self, name: &str) -> bool {
        let is_meant = |word: &&str| if self.exact { name == *word } else { name.contains(word) };
        self.words.is_empty() || self.words.iter().any(is_meant)
    }
}

fn report(verdicts: &[Verdict]) -> ExitCode {
    println!("{:<30} {:<6} {:>6}  what happened", "attack", "result", "s");
    for Verdict { name, result, took } in verdicts {
        let (word, text) = match result {
            Ok(text) => ("passed", text.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        println!("{name:<30} {word:<6} {:>6.1}  {text}", took.as_secs_f64());
    }
    // Once more at the end, of which a log may show no more. `table.py` reads what stands above.
    let failed: Vec<&Verdict> = verdicts.iter().filter(|one| one.result.is_err()).collect();
    println!("\n{} passed, {} failed", verdicts.len() - failed.len(), failed.len());
    for Verdict { name, result, .. } in &failed {
        if let Err(error) = result {
            eprintln!("FAILED {name}: {error:#}");
        }
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Names all attacks.
pub fn list() -> ExitCode {
    for attack in attacks::all() {
        println!("{}", attack.name);
    }
    ExitCode::SUCCESS
}

fn attack_all(wanted: &Wanted) -> Result<Vec<Verdict>> {
    let root = tempfile::Builder::new().prefix("hostile-").tempdir()?;
    let field = Field::new(root.path())?;
    let all = attacks::all();
    let mut attacks: Vec<(usize, &Attack)> =
        all.iter().enumerate().filter(|(_, attack)| wanted.has(&attack.name)).collect();
    ensure!(!attacks.is_empty(), "there is no such attack");
    field.honest()?;
    // Those that take long are begun first.
    attacks.sort_by_key(|(_, attack)| !attack.waits);
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((place, attack)) = attacks.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let began = Instant::now();
                    let result = field.attack(*place, attack);
                    let name = attack.name.to_string();
                    let verdict = Verdict { name, result, took: began.elapsed() };
                    let mut verdicts = verdicts.lock().unwrap_or_else(|gone| gone.into_inner());
                    verdicts.push((*place, verdict));
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap_or_else(|gone| gone.into_inner());
    verdicts.sort_by_key(|(place, _)| *place);
    Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
}

/// What every attack needs.
struct Field<'a> {
    root: &'a Path,
    executable: PathBuf,
    plugin: PathBuf,
    input: PathBuf,
    /// Input with some records that are marked.
    marked: PathBuf,
    /// The same rows as lines and, once an honest run has made that, as a table.
    lines: PathBuf,
    table: PathBuf,
}

/// What a run is over.
struct Work<'a> {
    /// The plugin's text, where it is not the usual one.
    plugin: Option<String>,
    input: &'a Path,
    /// What of it is a table.
    table: Option<Table>,
}

/// What a supervisor left behind.
struct Run {
    status: ExitStatus,
    summary: Option<Summary>,
    output: Option<Vec<u8>>,
    /// There is a table that did not become the output.
    half: bool,
    attacked: Option<String>,
    stderr: String,
    /// Files in the directory for sockets, after the end.
    sockets: usize,
    /// Processes that still run this run's executable, a second after the end.
    processes: Vec<Pid>,
}

impl Field<'_> {
    fn new(root: &Path) -> Result<Field<'_>> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let marked = root.join("marked.ndjson");
        fs::write(&marked, marked_input())?;
        let [lines, table] = ["rows.ndjson", "rows.parquet"].map(|name| root.join(name));
        fs::write(&lines, rows(0, ROWS))?;
        // A copy of this user's own, on this file system, can have many names. It is made
        // before there are threads: a file that is open for writing cannot be executed,
        // and a child that another thread has just forked may have it open.
        let executable = root.join("executable");
        fs::copy(std::env::current_exe()?, &executable)?;
        Ok(Field {
            root,
            executable,
            // One that is compiled at once: each attack compiles it.
            plugin: repository.join("plugins/longer/longer.wat"),
            input: repository.join("data/events.ndjson"),
            marked,
            lines,
            table,
        })
    }

    /// Sees that honest runs give what counting bytes does, and that rows become a table and
    /// are the same rows again.
    fn honest(&self) -> Result<()> {
        let expected = self.expected(None)?;
        ensure!(expected.used > 0 && expected.used < expected.read, "nothing to choose from");
        let honest = |name, work| self.run(&self.root.join(name), name, work, None);
        let run = honest("honest", self.work(None))?;
        judge(&run, Outcome::Harmless, &expected).context("the honest run")?;
        let over = |table| Work {
            plugin: Some(keeps_all()),
            input: self.input_of(table),
            table: Some(table),
        };
        let run = honest("honest-writing", over(Table::Output))?;
        fs::write(&self.table, run.output.as_deref().context("there is no table")?)?;
        judge(&run, Outcome::Harmless, &self.expected_of(Table::Output)?).context("writing")?;
        let run = honest("honest-reading", over(Table::Input))?;
        judge(&run, Outcome::Harmless, &self.expected_of(Table::Input)?).context("reading")?;
        Ok(())
    }

    /// What an attack is made on.
    fn work(&self, attack: Option<&Attack>) -> Work<'_> {
        let table = attack.and_then(|attack| attack.table);
        let input = match table {
            Some(table) => self.input_of(table),
            None if attack.is_some_and(Attack::is_marked) => &self.marked,
            None => &self.input,
        };
        Work { plugin: attack.and_then(Attack::plugin), input, table }
    }

    /// The rows, where this is a table.
    fn input_of(&self, table: Table) -> &Path {
        match table {
            Table::Input => &self.table,
            Table::Output => &self.lines,
        }
    }

    /// The same where this is a table, all of which is kept.
    fn expected_of(&self, table: Table) -> Result<Expected> {
        let output = match table {
            Table::Input => &self.lines,
            Table::Output => &self.table,
        };
        Ok(Expected { output: fs::read(output)?, read: ROWS, used: ROWS, skipped: 0 })
    }

    /// What the output should be, and the account.
    fn expected(&self, attack: Option<&Attack>) -> Result<Expected> {
        if let Some(table) = attack.and_then(|attack| attack.table) {
            return self.expected_of(table);
        }
        let is_marked = attack.is_some_and(Attack::is_marked);
        let set_aside = attack.is_some_and(|one| matches!(one.outcome, Outcome::SetAside(_)));
        let input = fs::read(if is_marked { &self.marked } else { &self.input })?;
        let lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
        let fails = |line: &[u8]| set_aside && line.first() == Some(&MARK);
        let kept = lines.iter().copied().filter(|line| match is_marked {
            true => !fails(line),
            false => is_kept(line),
        });
        let kept: Vec<&[u8]> = kept.collect();
        Ok(Expected {
            output: kept.concat(),
            read: lines.len() as u64,
            used: kept.len() as u64,
            skipped: lines.iter().filter(|line| fails(line)).count() as u64,
        })
    }

    fn attack(&self, place: usize, attack: &Attack) -> Result<String> {
        let (directory, work) = (self.root.join(place.to_string()), self.work(Some(attack)));
        let run = self.run(&directory, &attack.name, work, Some(attack))?;
        if !matches!(attack.by, By::Plugin(_) | By::Outside(_)) {
            match run.attacked.as_deref() {
                Some("") => {}
                Some(trouble) => bail!("the attacker did not get far: {trouble}"),
                None => bail!("nobody attacked"),
            }
        }
        judge(&run, attack.outcome, &self.expected(Some(attack))?)
    }

    /// Runs a supervisor whose executable has this name.
    fn run(
        &self,
        directory: &Path,
        name: &str,
        work: Work<'_>,
        attack: Option<&Attack>,
    ) -> Result<Run> {
        let sockets = directory.join("t");
        fs::create_dir_all(&sockets)?;
        let executable = directory.join(name);
        fs::hard_link(&self.executable, &executable)?;
        let output = match work.table {
            Some(Table::Output) => "output.parquet",
            Some(Table::Input) => "output.ndjson",
            None => "output",
        };
        let [output, summary, stderr, text] =
            [output, "summary", "stderr", "plugin.wat"].map(|name| directory.join(name));
        let plugin = match work.plugin {
            Some(plugin) => {
                fs::write(&text, plugin)?;
                &text
            }
            None => &self.plugin,
        };
        let group = attack.and_then(|attack| ControlGroup::new(name, attack.machine?));
        let mut command = match &group {
            Some(group) => group.command(&executable),
            None => Command::new(&executable),
        };
        command
            .arg("--supervise")
            .args([plugin, work.input, &output, &summary])
            .env_remove("XDG_RUNTIME_DIR")
            .env("TMPDIR", &sockets)
            .env("RUST_BACKTRACE", "0")
            .env(SECRET, "42")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&stderr)?);
        let mut child = command.spawn()?;
        let status = wait(&mut child)?;
        let mut processes = processes_of(&executable)?;
        let ended = Instant::now();
        while !processes.is_empty() && ended.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(10));
            processes = processes_of(&executable)?;
        }
        for process in &processes {
            // That they are left is a failure; that they stay would be another.
            let _ = kill_process(*process, Signal::KILL);
        }
        let summary = fs::read(summary).ok();
        Ok(Run {
            status,
            summary: summary.map(|text| serde_json::from_slice(&text)).transpose()?,
            half: output.with_added_extension("table").exists(),
            output: fs::read(output).ok(),
            attacked: fs::read_to_string(directory.join(ATTACKED)).ok(),
            stderr: fs::read_to_string(stderr)?,
            sockets: fs::read_dir(&sockets)?.count(),
            processes,
        })
    }
}

/// Records of which two are marked, each in the middle of a range.
fn marked_input() -> Vec<u8> {
    let lines = (0..2000).map(|number| {
        let mark = if number % 1000 == 100 { char::from(MARK) } else { ' ' };
        format!("{mark}{{\"number\":{number},\"text\":\"{}\"}}\n", "words ".repeat(15))
    });
    lines.collect::<String>().into_bytes()
}

fn wait(child: &mut Child) -> Result<ExitStatus> {
    let said = std::env::var(HANG_VARIABLE).ok().and_then(|seconds| seconds.parse().ok());
    let limit = Duration::from_secs(said.unwrap_or(HANG));
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if began.elapsed() > limit {
            let state =
                fs::read_to_string(format!("/proc/{}/wchan", child.id())).unwrap_or_default();
            child.kill()?;
            child.wait()?;
            bail!("the supervisor hangs (after {} s, in {state})", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes whose program is this file.
fn processes_of(executable: &Path) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        // Processes come and go, and those of others cannot be looked into.
        let Ok(entry) = entry else { continue };
        if fs::read_link(entry.path().join("exe")).is_ok_and(|link| link == executable) {
            found.extend(
                entry.file_name().to_str().and_then(|pid| Pid::from_raw(pid.parse().ok()?)),
            );
        }
    }
    Ok(found)
}

/// Compares what happened with what had to happen, and says it in a line.
fn judge(run: &Run, outcome: Outcome, expected: &Expected) -> Result<String> {
    if matches!(outcome, Outcome::SupervisorDies) {
        ensure!(run.status.signal() == Some(9), "it ended with {}", run.status);
        ensure!(run.processes.is_empty(), "processes are left: {:?}", run.processes);
        return Ok("no process is left".into());
    }
    let Some(seen) = &run.summary else {
        bail!("the supervisor did not survive: {}: {}", run.status, run.stderr.trim());
    };
    let ends = seen.ends.join("; ");
    ensure!(
        seen.descriptors_after == seen.descriptors_before,
        "descriptors: {} before, {} after",
        seen.descriptors_before,
        seen.descriptors_after
    );
    ensure!(
        seen.threads_after <= seen.threads_before,
        "threads: {} before, {} after",
        seen.threads_before,
        seen.threads_after
    );
    ensure!(!seen.children_left, "a child process is left");
    ensure!(run.processes.is_empty(), "processes are left: {:?}", run.processes);
    ensure!(run.sockets == 0, "{} entries are left in the directory for sockets", run.sockets);
    ensure!(seen.stowaways == 0, "{} descriptors came in", seen.stowaways);
    ensure!(!run.stderr.contains("panicked"), "a panic: {}", run.stderr.trim());
    let growth = seen.memory_after.saturating_sub(seen.memory_before);
    ensure!(growth < GROWTH, "its memory has grown by {growth} KiB");
    let logged = (seen.log_bytes, seen.log_lines);
    let marked = usize::try_from(expected.skipped)?.max(2);
    ensure!(
        logged.0 <= LOGGED.0 * marked && logged.1 <= LOGGED.1 * marked,
        "the plugin's log has {} lines with {} bytes",
        logged.1,
        logged.0
    );
    ensure!(!run.half, "a table is left that is not the output");
    if let Outcome::Ends(code, says) = outcome {
        ensure!(run.status.code() == Some(code), "it ended with {}, not {code}", run.status);
        ensure!(seen.error.contains(says), "its error was: {}", seen.error);
        ensure!(run.output.is_none(), "there is output of a job that failed");
        return Ok(format!("exit {code}: {}", seen.error.replace(&*env_root(), "")));
    }
    ensure!(run.status.code() == Some(0), "it ended with {}: {}", run.status, seen.error);
    let output = run.output.as_deref().context("there is no output")?;
    ensure!(output == expected.output, "the output is not what it should be");
    ensure!(
        (seen.read, seen.used, seen.skipped) == (expected.read, expected.used, expected.skipped),
        "the account is wrong: {} read, {} used, {} skipped",
        seen.read,
        seen.used,
        seen.skipped
    );
    let reasons: &[&str] = match outcome {
        Outcome::Replaced(reason) => &[reason],
        Outcome::ReplacedEither(one, other) => &[one, other],
        Outcome::ReplacedPerhaps(reason) if seen.restarts > 0 => &[reason],
        Outcome::SetAside(kind) => {
            let all = seen.failures.len() as u64 == expected.skipped;
            ensure!(
                all && seen.failures.iter().all(|failure| failure.contains(kind)),
                "records failed like this: {}",
                seen.failures.join(", ")
            );
            return Ok(format!("set aside: {}", seen.failures.join(", ")));
        }
        _ => &[],
    };
    let tables = seen.tables.join("; ");
    let of_tables = usize::from(matches!(outcome, Outcome::TableReplaced(_)));
    ensure!(
        seen.tables.len() == of_tables,
        "{} processes for tables were replaced: {tables}",
        seen.tables.len()
    );
    if reasons.is_empty() {
        ensure!(seen.restarts == 0, "{} workers were replaced: {ends}", seen.restarts);
        if let Outcome::TableReplaced(reason) = outcome {
            ensure!(says(&tables, reason), "the reason given was: {tables}");
            return Ok(format!("replaced: {tables}"));
        }
        return Ok("the output is whole, nobody was replaced".to_owned());
    }
    ensure!(seen.restarts == 1, "{} workers were replaced: {ends}", seen.restarts);
    // At the end of a job a worker that takes long to go is ended: no replacement.
    let [end, rest @ ..] = &seen.ends[..] else { bail!("no worker ended badly") };
    ensure!(rest.iter().all(|end| end == ENDED), "other workers ended badly too: {ends}");
    ensure!(reasons.iter().any(|reason| says(end, reason)), "the reason given was: {end}");
    Ok(format!("replaced: {end}"))
}

/// Whether a text has these words in it; a number at their end must end there, too.
fn says(text: &str, words: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    text.match_indices(words).any(|(at, _)| !digit(&text[at + words.len()..]))
}

/// The repository's path, to be left out of what is printed.
fn env_root() -> String {
    format!("{}/", env!("CARGO_MANIFEST_DIR"))
}
