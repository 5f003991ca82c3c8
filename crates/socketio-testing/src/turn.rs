//! Time for the server to get on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// What one turn takes of the clock.
pub(crate) const TURN: Duration = Duration::from_millis(10);

/// Lets everything run that can.
///
/// It takes 10 ms of Tokio's clock. If that is paused, no real time passes, and it ends when every task waits for
/// something.
///
/// # Cancel safety
///
/// Cancel safe: nothing depends on it.
#[must_use = "futures do nothing unless polled"]
pub fn settle() -> Turn {
    Turn::default()
}

/// What the client did is done; awaiting this lets the server get on with it, as [`settle`] does.
///
/// It may be dropped: what is waited for next gives the server its time as well.
///
/// # Panics
///
/// Awaiting it panics outside of a Tokio runtime with its clock.
///
/// # Cancel safety
///
/// Cancel safe: nothing depends on it.
#[derive(Debug, Default)]
pub struct Turn(Option<Pin<Box<Sleep>>>);

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(TURN))).as_mut().poll(cx)
    }
}
