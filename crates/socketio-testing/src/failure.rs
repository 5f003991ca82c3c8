//! How a test is told that an expectation was not met.

use std::error::Error;
use std::fmt::Display;
use std::panic::Location;

/// Fails the test.
///
/// What is awaited panics inside of a future, where the compiler knows nothing of the caller: so the message names the
/// line of the test.
#[track_caller]
#[expect(clippy::panic, reason = "an expectation that is not met ends the test, that is what it is for")]
pub(crate) fn fail(caller: &Location<'_>, message: impl Display) -> ! {
    panic!("{message}\n  in the test at {caller}")
}

/// An error with all that lies beneath it, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
