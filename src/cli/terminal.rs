//! Standard error, which messages and a progress bar share: a bar makes room for whatever is
//! said while it is shown.

use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

/// The bar that is shown now.
static BAR: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Knows from now on that this bar is shown, or that none is.
pub fn show(bar: Option<MultiProgress>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Has something written to standard error where no bar is in the way.
pub fn beside_bar<T>(write: impl FnOnce() -> T) -> T {
    match &*BAR.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
