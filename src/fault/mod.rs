//! Points at which tests can make a process of this program stop, die, wait or fail. In
//! normal builds every one of them is nothing; the feature `faults` brings them to life
//! ([`injected`]).

#[cfg(feature = "faults")]
mod injected;

#[cfg(feature = "faults")]
pub(crate) use injected::{after_request, after_response, before_request, before_response};
#[cfg(feature = "faults")]
pub(crate) use injected::{at, at_record, hand_on, pass, prepare};

#[cfg(not(feature = "faults"))]
pub(crate) use nothing::{after_request, after_response, before_request, before_response};
#[cfg(not(feature = "faults"))]
pub(crate) use nothing::{at, at_record, hand_on, pass, prepare};

/// What all points are in a normal build.
#[cfg(not(feature = "faults"))]
mod nothing {
    use std::ffi::OsString;
    use std::io;

    use crate::protocol::{Request, Response};

    /// A point that can only be reached.
    #[inline(always)]
    pub(crate) fn pass(_point: &str) {}

    /// A point at which something may fail.
    #[inline(always)]
    pub(crate) fn at(_point: &str) -> io::Result<()> {
        Ok(())
    }

    /// A point with a record.
    #[inline(always)]
    pub(crate) fn at_record(_point: &str, _record: &str) {}

    /// Before a request is sent, or after it was received.
    #[inline(always)]
    pub(crate) fn before_request(_request: &Request) {}

    /// After a request was sent.
    #[inline(always)]
    pub(crate) fn after_request(_request: &Request) {}

    /// Before a response is sent or dealt with.
    #[inline(always)]
    pub(crate) fn before_response(_response: &Response) {}

    /// After a response was sent or dealt with.
    #[inline(always)]
    pub(crate) fn after_response(_response: &Response) {}

    /// Where a process begins, before it locks itself.
    #[inline(always)]
    pub(crate) fn prepare() {}

    /// Hands what is planned on to a process that is about to be started.
    #[inline(always)]
    pub(crate) fn hand_on(_role: &str, _environment: &mut Vec<OsString>) {}
}
