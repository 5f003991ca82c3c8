//! A value that is made when it is first needed, once, however many wait for it.

use tokio::sync::watch;

/// A value that a thread for blocking work makes. Whoever needs it waits for that one thread, and may give up waiting:
/// the work goes on, so that requests which come and go cannot start it again and again.
#[derive(Clone)]
pub(super) struct Once<T>(watch::Sender<State<T>>);

enum State<T> {
    New,
    Making,
    Made(T),
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(watch::Sender::new(State::New))
    }
}

impl<T: Clone + Send + Sync + 'static> Once<T> {
    /// The value, made by `make` unless it was made before. `None` if it could not be made; the next caller tries again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the value is made all the same.
    pub(super) async fn get(&self, make: impl FnOnce() -> Option<T> + Send + 'static) -> Option<T> {
        if let Some(made) = self.made() {
            return Some(made);
        }
        let mut is_first = false;
        self.0.send_if_modified(|state| {
            is_first = matches!(state, State::New);
            if is_first {
                *state = State::Making;
            }
            false
        });
        if is_first {
            let making = Making(self.clone());
            tokio::task::spawn_blocking(move || making.done(make()));
        }
        let ended = |state: &State<T>| !matches!(state, State::Making);
        // The sender is `self`, so it does not go away meanwhile.
        let _ = self.0.subscribe().wait_for(ended).await;
        self.made()
    }

    fn made(&self) -> Option<T> {
        match &*self.0.borrow() {
            State::Made(value) => Some(value.clone()),
            State::New | State::Making => None,
        }
    }
}

/// Nobody waits in vain, even if the work panics or the runtime ends before it has begun.
struct Making<T>(Once<T>);

impl<T> Making<T> {
    fn done(self, made: Option<T>) {
        if let Some(value) = made {
            self.0.0.send_replace(State::Made(value));
        }
    }
}

impl<T> Drop for Making<T> {
    fn drop(&mut self) {
        self.0.0.send_if_modified(|state| {
            let is_unfinished = matches!(state, State::Making);
            if is_unfinished {
                *state = State::New;
            }
            is_unfinished
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn many_that_ask_at_once_share_one_making() {
        let (once, n_made) = (Once::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let (once, n_made) = (once.clone(), Arc::clone(&n_made));
            async move { once.get(move || Some(n_made.fetch_add(1, Ordering::Relaxed))).await }
        };
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert_eq!((a, b, c), (Some(0), Some(0), Some(0)));
        assert_eq!((ask().await, n_made.load(Ordering::Relaxed)), (Some(0), 1));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_stops_nobody() {
        let once = Once::default();
        let (release, held) = std::sync::mpsc::sync_channel::<u8>(1);
        let mut first = Box::pin(once.get(move || held.recv().ok()));
        let is_waiting =
            std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_pending()));
        assert!(is_waiting.await);
        drop(first);
        release.send(7).unwrap();
        assert_eq!(once.get(|| Some(8)).await, Some(7));
    }

    #[tokio::test]
    async fn what_failed_is_tried_again() {
        let once = Once::default();
        assert_eq!(once.get(|| None).await, None);
        assert_eq!(once.get(|| panic!("on purpose")).await, None);
        assert_eq!(once.get(|| Some(1)).await, Some(1));
    }
}
