//! Where a plugin was when it trapped: its own functions, the innermost first, by their
//! names and, where the plugin has debug information, their places in its source.

use std::fmt::Write as _;

use rustc_demangle::demangle;
use wasmtime::{Error, FrameInfo, WasmBacktrace};

use super::driver;
use crate::protocol::{MAX_BACKTRACE, cut_text};

/// The backtrace of an error, a line for each function; empty if there is none.
pub(super) fn backtrace(error: &Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let mut text = String::new();
    let own = |frame: &&FrameInfo| frame.module().name() != Some(driver::NAME);
    for (number, frame) in backtrace.frames().iter().filter(own).enumerate() {
        if text.len() > MAX_BACKTRACE {
            break;
        }
        write_frame(&mut text, number, frame);
    }
    let whole = text.trim_end();
    cut_text(whole, MAX_BACKTRACE).to_owned()
}

fn write_frame(text: &mut String, number: usize, frame: &FrameInfo) {
    let of_frame = frame.func_name();
    let index = frame.func_index();
    let mut line = |name: Option<&str>, place: Option<String>| {
        // Writing to a string does not fail.
        let _ = match name {
            Some(name) => write!(text, "{number}: {:#}", demangle(name)),
            None => write!(text, "{number}: function {index}"),
        };
        let _ = match place {
            Some(place) => writeln!(text, " ({place})"),
            None => writeln!(text),
        };
    };
    if frame.symbols().is_empty() {
        line(of_frame, None);
    }
    // Functions that were put into others come before those.
    for symbol in frame.symbols() {
        let place = symbol.file().map(|file| match (symbol.line(), symbol.column()) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(line), None) => format!("{file}:{line}"),
            (None, _) => file.to_owned(),
        });
        line(symbol.name().or(of_frame), place);
    }
}
