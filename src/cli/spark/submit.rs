//! Handing a job to spark-submit.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use host::Error;
use rustix::process::Pid;
use tempfile::TempDir;

use super::super::shell::quoted;
use super::Spec;
use crate::signals;

/// The driver, and what tasks do (`spark/build.sh` makes it of `spark/java`).
const JAR: &[u8] = include_bytes!("../../../spark/host-spark.jar");
/// The source of the part that runs first.
const DRIVER: &str = include_str!("../../../spark/java/host/spark/Driver.java");
const CLASS: &str = "host.spark.Driver";

/// What this program is called among the files of the job.
pub const PROGRAM: &str = "host";
const DRIVER_JAR: &str = "host-spark.jar";
/// Names that no other file can have.
pub const TAKEN: [&str; 2] = [PROGRAM, DRIVER_JAR];

/// A file that goes with the job.
pub struct File {
    pub path: PathBuf,
    /// Its name there.
    pub name: String,
}

/// A job as spark-submit gets it.
pub struct Submission {
    /// Holds the driver and links to files, under their names.
    directory: TempDir,
    command: Vec<OsString>,
    told: serde_json::Value,
}

impl Submission {
    /// # Errors
    /// [`Error::Usage`] where there is no spark-submit, or what it needs cannot be laid out.
    pub fn new(
        spec: &Spec,
        files: &[File],
        master: Option<&String>,
        for_spark: &[OsString],
    ) -> Result<Submission, Error> {
        let wrong = |what: &str, error: io::Error| Error::Usage(format!("{what}: {error}"));
        let told = serde_json::to_value(spec)
            .map_err(|error| Error::Usage(format!("the job cannot be told to Spark: {error}")))?;
        let directory = tempfile::Builder::new()
            .prefix("host-spark-")
            .tempdir()
            .map_err(|error| wrong("no directory for what goes to Spark can be made", error))?;
        let jar = directory.path().join(DRIVER_JAR);
        fs::write(&jar, JAR).map_err(|error| wrong("the driver cannot be written", error))?;
        let program =
            env::current_exe().map_err(|error| wrong("this program cannot be found", error))?;
        let program = File { path: program, name: PROGRAM.into() };
        let mut carried = Vec::new();
        for file in std::iter::once(&program).chain(files) {
            let link = directory.path().join(&file.name);
            symlink(&file.path, &link).map_err(|error| wrong(&file.name, error))?;
            carried.push(link.into_os_string());
        }
        let mut command = vec![spark_submit()?.into_os_string(), "--class".into(), CLASS.into()];
        if let Some(master) = master {
            command.extend(["--master".into(), master.into()]);
        }
        command.extend(["--name".into(), "host".into(), "--files".into()]);
        command.push(carried.join(OsStr::new(",")));
        // What else Spark says is of interest to whoever asks for it.
        command.extend(["--conf".into(), "spark.log.level=WARN".into()]);
        if io::stderr().is_terminal() {
            command.extend(["--conf".into(), "spark.ui.showConsoleProgress=true".into()]);
        }
        command.extend_from_slice(for_spark);
        command.extend([jar.into_os_string(), told.to_string().into()]);
        Ok(Submission { directory, command, told })
    }

    /// The command, what it says, and the driver, for whoever wants to see or to change them.
    pub fn shown(&self) -> String {
        let words: Vec<_> =
            self.command.iter().map(|word| quoted(word.to_string_lossy())).collect();
        format!("{}\n\n{:#}\n\n{DRIVER}", words.join(" "), self.told)
    }

    /// Runs it to its end, and gives its exit code.
    ///
    /// # Errors
    /// [`Error::Usage`] where spark-submit cannot be started.
    pub fn run(self) -> Result<ExitCode, Error> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Ok(ExitCode::FAILURE);
        };
        let wrong = |error: io::Error| {
            Error::Usage(format!("{} cannot be run: {error}", Path::new(program).display()))
        };
        let mut spark = Command::new(program).args(arguments).spawn().map_err(wrong)?;
        // What is laid out here is taken away when Spark has ended.
        signals::pass_them_on(Pid::from_child(&spark))?;
        let status = spark.wait().map_err(wrong)?;
        drop(self.directory);
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
        Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
    }
}

/// Where spark-submit is.
fn spark_submit() -> Result<PathBuf, Error> {
    const NAME: &str = "spark-submit";
    if let Some(home) = env::var_os("SPARK_HOME") {
        let program = Path::new(&home).join("bin").join(NAME);
        if program.exists() {
            return Ok(program);
        }
        return Err(Error::Usage(format!("SPARK_HOME has no {}", program.display())));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join(NAME)).find(|path| path.exists()).ok_or_else(|| {
        Error::Usage(
            "there is no spark-submit: set SPARK_HOME to where Spark is, or put its bin on the PATH \
             (pip install pyspark has one)"
                .into(),
        )
    })
}
