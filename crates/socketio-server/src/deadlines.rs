//! One timer for all connections of a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::sync::Mutex;

/// Calls connections back when a deadline of theirs has come, with one task for the whole server.
///
/// A connection has a deadline only until it joins its first namespace and while attachments are missing, so that
/// an idle one costs nothing here. The task ends when no deadline is left. Sockets whose stay is limited have theirs in
/// another one of these.
pub(crate) struct Deadlines<T> {
    state: Mutex<State<T>>,
    earlier: Notify,
}

struct State<T> {
    due: BTreeMap<Key, Weak<T>>,
    next_id: u64,
    is_running: bool,
}

/// Who is called back when; it orders by time, and the number makes it unique.
pub(crate) type Key = (Instant, u64);

/// What is called back.
pub(crate) trait Timed: Send + Sync + 'static {
    /// The deadline with this key has come; it is forgotten already.
    fn handle_timeout(self: Arc<Self>, key: Key, now: Instant);
}

impl<T: Timed> Deadlines<T> {
    pub(crate) fn new() -> Self {
        let state = State { due: BTreeMap::new(), next_id: 0, is_running: false };
        Self { state: Mutex::new(state), earlier: Notify::new() }
    }

    /// Sets a deadline.
    pub(crate) fn insert(self: &Arc<Self>, runtime: &Handle, due: Instant, target: Weak<T>) -> Key {
        let mut state = self.state.lock();
        let key = (due, state.next_id);
        state.next_id += 1;
        let is_earliest = state.due.first_key_value().is_none_or(|(first, _)| key < *first);
        state.due.insert(key, target);
        let was_running = std::mem::replace(&mut state.is_running, true);
        drop(state);
        if !was_running {
            runtime.spawn(run(Arc::downgrade(self)));
        } else if is_earliest {
            self.earlier.notify_one();
        }
        key
    }

    /// Forgets a deadline.
    pub(crate) fn remove(&self, key: Key) {
        let mut state = self.state.lock();
        state.due.remove(&key);
        if state.due.is_empty() {
            // The task is to end now, not when the last deadline would have come.
            drop(state);
            self.earlier.notify_one();
        }
    }

    /// Takes out one deadline that has come, or says when the next one comes; `Err(None)` ends the task.
    fn poll(&self, now: Instant) -> Result<(Key, Weak<T>), Option<Instant>> {
        let mut state = self.state.lock();
        match state.due.first_entry() {
            Some(entry) if entry.key().0 <= now => Ok(entry.remove_entry()),
            Some(entry) => Err(Some(entry.key().0)),
            None => {
                state.is_running = false;
                Err(None)
            }
        }
    }
}

async fn run<T: Timed>(deadlines: Weak<Deadlines<T>>) {
    while let Some(deadlines) = deadlines.upgrade() {
        let now = tokio::time::Instant::now();
        match deadlines.poll(now.into_std()) {
            Ok((key, target)) => {
                if let Some(target) = target.upgrade() {
                    target.handle_timeout(key, now.into_std());
                }
            }
            Err(Some(due)) => {
                // Both arms can be dropped at any time: what is due is looked up anew.
                tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {}
                    () = deadlines.earlier.notified() => {}
                }
            }
            Err(None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Recorder(Mutex<Vec<Key>>);

    impl Timed for Recorder {
        fn handle_timeout(self: Arc<Self>, key: Key, now: Instant) {
            assert!(key.0 <= now);
            self.0.lock().push(key);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_come_in_order_also_when_an_earlier_one_is_set_later() {
        let deadlines = Arc::new(Deadlines::new());
        let recorder = Arc::new(Recorder(Mutex::new(vec![])));
        let now = tokio::time::Instant::now().into_std();
        let at = |seconds| now + Duration::from_secs(seconds);
        let late = deadlines.insert(&Handle::current(), at(30), Arc::downgrade(&recorder));
        let removed = deadlines.insert(&Handle::current(), at(20), Arc::downgrade(&recorder));
        tokio::time::advance(Duration::from_secs(1)).await;
        let early = deadlines.insert(&Handle::current(), at(10), Arc::downgrade(&recorder));
        deadlines.remove(removed);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(*recorder.0.lock(), [early]);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(*recorder.0.lock(), [early, late]);
        assert!(!deadlines.state.lock().is_running);
        let again = deadlines.insert(&Handle::current(), at(40), Arc::downgrade(&recorder));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(*recorder.0.lock(), [early, late, again]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_last_deadline() {
        let deadlines = Arc::new(Deadlines::new());
        let recorder = Arc::new(Recorder(Mutex::new(vec![])));
        let due = tokio::time::Instant::now().into_std() + Duration::from_secs(3600);
        let key = deadlines.insert(&Handle::current(), due, Arc::downgrade(&recorder));
        tokio::time::sleep(Duration::from_millis(1)).await;
        deadlines.remove(key);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!deadlines.state.lock().is_running);
    }
}
