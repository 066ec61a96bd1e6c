//! Has the message of a panic logged, where `--plugin-log stderr` shows it. Without this it
//! is lost, because a plugin has nowhere to print. There is nothing in here to change.

use crate::host::plugin::log::{self, Level};

/// `host` calls it once, before anything else.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|info| log::write(Level::Error, &info.to_string())));
}
