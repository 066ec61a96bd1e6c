//! The driver: runs every attack against a supervisor of its own and judges it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::attacks::{ATTACKS, Attack, ENDED, Outcome};
use crate::supervise::Summary;
use crate::{ATTACKED, is_kept};

/// Attacks that are under way at once.
const AT_ONCE: usize = 8;
/// A supervisor that has not ended after this many seconds hangs. The slowest attack
/// takes two of the supervisor's limits of 20 s on a busy machine. Where hanging is
/// what is expected (see `table.py`), the variable says a shorter time.
const HANG: u64 = 120;
const HANG_VARIABLE: &str = "HOSTILE_HANG";

/// What a run should give.
struct Expected {
    output: Vec<u8>,
    read: u64,
    used: u64,
}

struct Verdict {
    name: &'static str,
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
    let failed = verdicts.iter().filter(|verdict| verdict.result.is_err()).count();
    println!("\n{} passed, {failed} failed", verdicts.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn attack_all(wanted: &Wanted) -> Result<Vec<Verdict>> {
    let root = tempfile::Builder::new().prefix("hostile-").tempdir()?;
    let field = Field::new(root.path())?;
    let expected = field.expected()?;
    let mut attacks: Vec<(usize, &Attack)> =
        ATTACKS.iter().enumerate().filter(|(_, attack)| wanted.has(attack.name)).collect();
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
                    let result = field.attack(*place, attack, &expected);
                    let verdict = Verdict { name: attack.name, result, took: began.elapsed() };
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
}

/// What a supervisor left behind.
struct Run {
    status: ExitStatus,
    summary: Option<Summary>,
    output: Option<Vec<u8>>,
    attacked: Option<String>,
    stderr: String,
    /// Files in the directory for sockets, after the end.
    sockets: usize,
    /// Processes that still run this run's executable.
    processes: Vec<String>,
}

impl Field<'_> {
    fn new(root: &Path) -> Result<Field<'_>> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        Ok(Field {
            root,
            executable: std::env::current_exe()?,
            plugin: repository.join("plugins/filter/filter.wasm"),
            input: repository.join("data/events.ndjson"),
        })
    }

    /// What an honest run gives, checked against a plain search.
    fn expected(&self) -> Result<Expected> {
        let input = fs::read(&self.input)?;
        let lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
        let kept: Vec<&[u8]> = lines.iter().copied().filter(|line| is_kept(line)).collect();
        let (read, used) = (lines.len() as u64, kept.len() as u64);
        let expected = Expected { output: kept.concat(), read, used };
        ensure!(used > 0 && used < read, "the data has nothing to choose from");
        let run = self.run(&self.root.join("honest"), "honest", 10_000)?;
        judge(&run, Outcome::Harmless, &expected).context("the honest run")?;
        Ok(expected)
    }

    fn attack(&self, place: usize, attack: &Attack, expected: &Expected) -> Result<String> {
        let run = self.run(&self.root.join(place.to_string()), attack.name, attack.timeout)?;
        match run.attacked.as_deref() {
            Some("") => {}
            Some(trouble) => bail!("the attacker did not get far: {trouble}"),
            None => bail!("nobody attacked"),
        }
        judge(&run, attack.outcome, expected)
    }

    /// Runs a supervisor whose executable has this name.
    fn run(&self, directory: &Path, name: &str, timeout: u64) -> Result<Run> {
        let sockets = directory.join("t");
        fs::create_dir_all(&sockets)?;
        let executable = directory.join(name);
        if fs::hard_link(&self.executable, &executable).is_err() {
            fs::copy(&self.executable, &executable)?;
        }
        let [output, summary, stderr] =
            ["output", "summary", "stderr"].map(|name| directory.join(name));
        let mut child = Command::new(&executable)
            .arg("--supervise")
            .args([&self.plugin, &self.input, &output, &summary])
            .arg(timeout.to_string())
            .env_remove("XDG_RUNTIME_DIR")
            .env("TMPDIR", &sockets)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&stderr)?)
            .spawn()?;
        let status = wait(&mut child)?;
        let summary = fs::read(summary).ok();
        Ok(Run {
            status,
            summary: summary.map(|text| serde_json::from_slice(&text)).transpose()?,
            output: fs::read(output).ok(),
            attacked: fs::read_to_string(directory.join(ATTACKED)).ok(),
            stderr: fs::read_to_string(stderr)?,
            sockets: fs::read_dir(&sockets)?.count(),
            processes: processes_of(&executable)?,
        })
    }
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
fn processes_of(executable: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        // Processes come and go, and those of others cannot be looked into.
        let Ok(entry) = entry else { continue };
        if fs::read_link(entry.path().join("exe")).is_ok_and(|link| link == executable) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

/// Compares what happened with what had to happen, and says it in a line.
fn judge(run: &Run, outcome: Outcome, expected: &Expected) -> Result<String> {
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
        seen.threads_after == seen.threads_before,
        "threads: {} before, {} after",
        seen.threads_before,
        seen.threads_after
    );
    ensure!(!seen.children_left, "a child process is left");
    ensure!(run.processes.is_empty(), "processes are left: {}", run.processes.join(", "));
    ensure!(run.sockets == 0, "{} entries are left in the directory for sockets", run.sockets);
    ensure!(seen.stowaways == 0, "{} descriptors came in", seen.stowaways);
    ensure!(!run.stderr.contains("panicked"), "a panic: {}", run.stderr.trim());
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
        (seen.read, seen.used, seen.skipped) == (expected.read, expected.used, 0),
        "the account is wrong: {} read, {} used, {} skipped",
        seen.read,
        seen.used,
        seen.skipped
    );
    let reasons: &[&str] = match outcome {
        Outcome::Replaced(reason) => &[reason],
        Outcome::ReplacedEither(one, other) => &[one, other],
        Outcome::Harmless | Outcome::Ends(..) => &[],
    };
    if reasons.is_empty() {
        ensure!(seen.restarts == 0, "{} workers were replaced: {ends}", seen.restarts);
        return Ok("the output is whole, nobody was replaced".to_owned());
    }
    ensure!(seen.restarts == 1, "{} workers were replaced: {ends}", seen.restarts);
    // At the end of a job a worker that takes long to go is ended: no replacement.
    let [end, rest @ ..] = &seen.ends[..] else { bail!("no worker ended badly") };
    ensure!(rest.iter().all(|end| end == ENDED), "other workers ended badly too: {ends}");
    ensure!(reasons.iter().any(|reason| end.contains(reason)), "the reason given was: {end}");
    Ok(format!("replaced: {end}"))
}

/// The repository's path, to be left out of what is printed.
fn env_root() -> String {
    format!("{}/", env!("CARGO_MANIFEST_DIR"))
}
