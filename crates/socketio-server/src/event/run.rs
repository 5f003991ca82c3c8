//! Runs user code: polled once in place, and a panic is a value.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::error::HandlerError;
use crate::event::BoxFuture;

/// A handler's future, whose panics are values.
///
/// Making the future and dropping it are covered too: both run user code.
pub(crate) struct Caught<T>(State<T>);

enum State<T> {
    Running(BoxFuture<T>),
    /// Making the future has failed already; told at the first poll.
    Panicked(Option<Panicked>),
}

/// User code panicked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Panicked {
    message: String,
}

impl<T> Caught<T> {
    /// Calls the handler.
    pub(crate) fn new(make: impl FnOnce() -> BoxFuture<T>) -> Self {
        Self(match catch(make) {
            Ok(future) => State::Running(future),
            Err(panicked) => State::Panicked(Some(panicked)),
        })
    }

    /// Polls once without a waker: what is pending after it must be polled again at once, by a task.
    pub(crate) fn poll_in_place(&mut self) -> Poll<Result<T, Panicked>> {
        Pin::new(self).poll(&mut Context::from_waker(Waker::noop()))
    }
}

impl<T> Future for Caught<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = match &mut self.0 {
            State::Running(future) => future,
            State::Panicked(panicked) => {
                let panicked = panicked.take();
                return Poll::Ready(Err(panicked.unwrap_or_else(|| Panicked { message: String::new() })));
            }
        };
        match catch(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(self.finish().map(|()| value)),
            Err(panicked) => {
                // What it panics with while it is dropped after a panic is of no interest.
                let _ = self.finish();
                Poll::Ready(Err(panicked))
            }
        }
    }
}

impl<T> Caught<T> {
    fn finish(&mut self) -> Result<(), Panicked> {
        let State::Running(future) = std::mem::replace(&mut self.0, State::Panicked(None)) else {
            return Ok(());
        };
        catch(|| drop(future))
    }
}

impl<T> Drop for Caught<T> {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

impl Panicked {
    fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self { message: text.unwrap_or_else(|| "not text".to_owned()) }
    }
}

impl From<Panicked> for HandlerError {
    fn from(Panicked { message }: Panicked) -> Self {
        Self::Panicked { message }
    }
}

/// Runs user code that is no future.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Panicked::new(&*payload))
}

/// Polls a future once, whatever comes of it.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    fn message(poll: Poll<Result<(), Panicked>>) -> String {
        match poll {
            Poll::Ready(Err(Panicked { message })) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn panics_of_making_polling_and_dropping_are_values() {
        let mut caught: Caught<()> = Caught::new(|| panic!("made"));
        assert_eq!(message(caught.poll_in_place()), "made");
        let mut caught: Caught<()> = Caught::new(|| Box::pin(async { panic!("polled {}", 1) }));
        assert_eq!(message(caught.poll_in_place()), "polled 1");
        let mut caught = Caught::new(|| {
            let captured = PanicsWhenDropped;
            Box::pin(std::future::poll_fn(move |_| {
                let _ = &captured;
                Poll::Ready(())
            }))
        });
        assert_eq!(message(caught.poll_in_place()), "dropped");
        let caught: Caught<()> = Caught::new(|| {
            let captured = PanicsWhenDropped;
            Box::pin(std::future::poll_fn(move |_| {
                let _ = &captured;
                Poll::Pending
            }))
        });
        drop(caught);
    }

    #[test]
    fn a_ready_future_needs_no_task() {
        let mut caught = Caught::new(|| Box::pin(async { 7 }));
        assert_eq!(caught.poll_in_place(), Poll::Ready(Ok(7)));
    }
}
