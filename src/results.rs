//! A job over records that a program has in its own memory: it feeds them, and gets what
//! comes of them as an iterator. Both pass through pipes, so whoever is slower is waited for.

use std::any::Any;
use std::io::{self, BufRead as _, BufReader, PipeReader, PipeWriter, Write as _};
use std::iter::FusedIterator;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use memchr::memchr;

use crate::account::Account;
use crate::error::Error;
use crate::event::Event;
use crate::input::From;
use crate::job::{Input, JobBuilder, Open, Output, To};
use crate::stop::Stop;
use crate::supervisor::{JobFailed, run};

/// What messages call records that a program feeds.
const FED: &str = "the records fed";

impl JobBuilder {
    /// Runs the job over records of this program, in threads of its own, and gives what comes of
    /// them while it runs. Records are JSON values, or with [`From::Lines`] any texts; none has
    /// a newline in it.
    ///
    /// `events` hears what happens meanwhile, as with [`run`]. What the builder says of inputs
    /// and of the output is replaced; the output has the format of the records, or what
    /// [`JobBuilder::to`] says, if that has a line for each record.
    ///
    /// ```standalone_crate
    /// use host::Job;
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     host::init();
    ///     let records = (0..1000).map(|n| format!(r#"{{"n":{n},"type":"{}"}}"#, ["A", "B"][n % 2]));
    ///     let filter = Job::builder("plugins/where/where.wasm").param("path", "type").param("is", "B");
    ///     let mut results = filter.feed(records, |_| {})?;
    ///     assert_eq!(results.next().transpose()?.as_deref(), Some(r#"{"n":1,"type":"B"}"#));
    ///     assert_eq!(results.by_ref().count(), 499);
    ///     assert_eq!(results.account().map(|account| account.dropped), Some(500));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::Usage`]: parts of the job contradict each other, or its format has no line for
    /// each record. [`Error::System`]: there are no pipes or threads to be had. What goes wrong
    /// later is the last result.
    pub fn feed<R>(
        self,
        records: R,
        mut events: impl FnMut(Event<'_>) + Send + 'static,
    ) -> Result<Results, Error>
    where
        R: IntoIterator<IntoIter: Send, Item: AsRef<[u8]>> + Send + 'static,
    {
        let from = self.job.from.unwrap_or(From::Ndjson);
        if !matches!(from, From::Ndjson | From::Lines) {
            return Err(Error::Usage("records that a program feeds are JSON or lines".into()));
        }
        if !matches!(self.job.to, None | Some(To::Ndjson | To::Lines)) {
            return Err(Error::Usage("results that a program gets are JSON or lines".into()));
        }
        let system = |error| Error::system("feed a job", error);
        let (fed, feed) = io::pipe().map_err(system)?;
        let (results, made) = io::pipe().map_err(system)?;
        let mut builder = self;
        builder.job.inputs = vec![Input::Open(Open::new(fed, FED))];
        let output = Output::Open(Open::new(made, "the results"));
        let job = builder.from(from).output(output).build()?;
        let stop = job.stop().clone();
        let wrong = Arc::new(Mutex::new(None));
        let feeder = Feeder { feed, stop: stop.clone(), wrong: Arc::clone(&wrong) };
        let feeding = thread::Builder::new().name("feeds records".into());
        feeding.spawn(move || feeder.run(records)).map_err(system)?;
        // The thread that starts workers has to live as long as they do. With it goes the job, and
        // with that the last that could write results.
        let running = thread::Builder::new().name("runs a job".into());
        let running = running.spawn(move || {
            let ended = run(&job, &mut events);
            drop(job);
            ended
        });
        Ok(Results {
            lines: BufReader::new(results),
            running: Some(running.map_err(system)?),
            stop,
            wrong,
            account: None,
        })
    }
}

/// Why records cannot be fed to the end.
#[derive(Debug)]
enum Wrong {
    /// One is none.
    Record(Error),
    /// The program panicked where it should have given one.
    Panic(Box<dyn Any + Send>),
}

/// Writes a program's records to a job.
struct Feeder {
    feed: PipeWriter,
    stop: Stop,
    wrong: Arc<Mutex<Option<Wrong>>>,
}

impl Feeder {
    fn run<R>(self, records: R)
    where
        R: IntoIterator<Item: AsRef<[u8]>>,
    {
        let fed = catch_unwind(AssertUnwindSafe(|| self.feed(records)));
        let wrong = match fed {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Wrong::Record(error),
            Err(panic) => Wrong::Panic(panic),
        };
        // The job hears of this before it hears of an end, which is none.
        *self.wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(wrong);
        self.stop.stop();
    }

    fn feed<R>(&self, records: R) -> Result<(), Error>
    where
        R: IntoIterator<Item: AsRef<[u8]>>,
    {
        let mut line = Vec::new();
        for (number, record) in (1_u64..).zip(records) {
            let record = record.as_ref();
            if let Some(at) = memchr(b'\n', record) {
                return Err(Error::Usage(format!(
                    "record {number} of {FED} has a newline at its byte {at}: each has to be a line"
                )));
            }
            line.clear();
            line.extend_from_slice(record);
            line.push(b'\n');
            // At once: what comes of it may be waited for before there is another.
            if (&self.feed).write_all(&line).is_err() {
                // Nobody reads any more: the job has ended, and says why.
                break;
            }
        }
        Ok(())
    }
}

/// What comes of the records that a program feeds, one by one; made by [`JobBuilder::feed`].
///
/// The last may be an error: why the job ended before its end. To drop this stops the job.
#[derive(Debug)]
pub struct Results {
    lines: BufReader<PipeReader>,
    /// The thread that runs the job, until its end was heard of.
    running: Option<JoinHandle<Result<Account, Box<JobFailed>>>>,
    stop: Stop,
    wrong: Arc<Mutex<Option<Wrong>>>,
    account: Option<Account>,
}

impl Results {
    /// What has become of all records, once the last result was taken.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Stops the job, from any thread: it ends with [`Error::Interrupted`].
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Takes in how the job has ended.
    fn end(&mut self) -> Result<(), Box<JobFailed>> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let ended = running.join().unwrap_or_else(|panic| resume_unwind(panic));
        let account = match &ended {
            Ok(account) => account,
            Err(failed) => &failed.account,
        };
        self.account = Some(account.clone());
        match self.wrong.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => ended.map(|_| ()),
            Some(Wrong::Panic(panic)) => resume_unwind(panic),
            Some(Wrong::Record(error)) => Err(match ended {
                Ok(_) => error.into(),
                Err(failed) => Box::new(JobFailed { error, ..*failed }),
            }),
        }
    }
}

impl Iterator for Results {
    type Item = Result<String, Box<JobFailed>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.running.as_ref()?;
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => self.end().err().map(Err),
            Ok(_) => {
                if line.ends_with('\n') {
                    line.pop();
                }
                Some(Ok(line))
            }
            Err(error) => {
                self.stop.stop();
                let _ = self.end();
                Some(Err(Error::system("read results", error).into()))
            }
        }
    }
}

impl FusedIterator for Results {}

impl Drop for Results {
    fn drop(&mut self) {
        self.stop.stop();
        // It may wait for room in the pipe before it can hear of that.
        let _ = io::copy(&mut self.lines, &mut io::sink());
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}
