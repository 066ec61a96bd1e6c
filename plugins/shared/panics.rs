//! Sends the message of a panic to the log. Without this it is lost: on
//! `wasm32-unknown-unknown` the standard library has nowhere to print, and all that the
//! program sees is a trap.

use std::panic;
use std::sync::Once;

use crate::host::plugin::log::{self, Level};

/// Called at the start of every record, because a plugin has no `main`. After the first
/// time it costs one comparison.
pub fn report() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| log::write(Level::Error, &info.to_string())));
    });
}
