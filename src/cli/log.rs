//! `--log`: what the supervisor does, line by line on standard error, as the library traces it.

use std::io::{self, Write};

use tracing_subscriber::filter::LevelFilter;

use super::terminal::beside_bar;
use super::{LogFormat, LogLevel, Logging};

/// Begins to write what is wanted.
pub fn start(logging: Logging) {
    let level = match logging.level {
        LogLevel::Off => return,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| Stderr)
        .with_ansi(false)
        .with_target(false);
    // It is started once.
    let _ = match logging.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(false);
            log.with_span_list(false).try_init()
        }
    };
}

/// Standard error, to which a line comes as a whole.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        beside_bar(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
