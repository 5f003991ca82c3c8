//! The tasks of handlers that had to wait: how many there are, and how to end them.

use std::future::Future;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::sync::Mutex;

/// Owns the tasks of user code: a shutdown waits for them until its deadline and then aborts the rest.
pub(crate) struct Tasks {
    state: Mutex<State>,
    idle: Notify,
}

struct State {
    /// `None` while a task is being spawned.
    running: HashMap<u64, Option<AbortHandle>>,
    next_id: u64,
    is_aborted: bool,
}

impl Tasks {
    pub(crate) fn new() -> Arc<Self> {
        let state = State { running: HashMap::new(), next_id: 0, is_aborted: false };
        Arc::new(Self { state: Mutex::new(state), idle: Notify::new() })
    }

    /// Spawns a task.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        runtime: &Handle,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        let id = {
            let mut state = self.state.lock();
            if state.is_aborted {
                return;
            }
            let id = state.next_id;
            state.next_id += 1;
            state.running.insert(id, None);
            id
        };
        // The lock is free while spawning: a runtime that is going down drops the future, and its guard, right here.
        let guard = Guard { tasks: Arc::downgrade(self), id };
        let task = runtime.spawn(async move {
            let _guard = guard;
            future.await;
        });
        let handle = task.abort_handle();
        let mut state = self.state.lock();
        if state.is_aborted {
            handle.abort();
        } else if let Some(slot) = state.running.get_mut(&id) {
            *slot = Some(handle);
        }
    }

    /// Waits until no task is running.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state.lock().running.is_empty() {
                return;
            }
            idle.await;
        }
    }

    /// Aborts all tasks, and every later one.
    pub(crate) fn abort(&self) {
        let running = {
            let mut state = self.state.lock();
            state.is_aborted = true;
            std::mem::take(&mut state.running)
        };
        running.into_values().flatten().for_each(|handle| handle.abort());
        self.idle.notify_waiters();
    }

    /// How many tasks are running.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().running.len()
    }
}

/// Reports the end of a task, however it ends.
struct Guard {
    tasks: Weak<Tasks>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(tasks) = self.tasks.upgrade() else { return };
        let mut state = tasks.state.lock();
        state.running.remove(&self.id);
        if state.running.is_empty() {
            drop(state);
            tasks.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_waits_for_every_task_also_one_that_panics() {
        let tasks = Tasks::new();
        tasks.spawn(&Handle::current(), tokio::time::sleep(Duration::from_secs(5)));
        tasks.spawn(&Handle::current(), async { panic!("expected by this test") });
        let start = tokio::time::Instant::now();
        tasks.idle().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        assert_eq!(tasks.len(), 0);
    }

    #[tokio::test]
    async fn abort_ends_all_and_lets_none_in() {
        let tasks = Tasks::new();
        let held = Arc::new(());
        let clone = Arc::clone(&held);
        tasks.spawn(&Handle::current(), async move {
            let _clone = clone;
            pending().await
        });
        tokio::task::yield_now().await;
        tasks.abort();
        tasks.spawn(&Handle::current(), pending());
        tasks.idle().await;
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
