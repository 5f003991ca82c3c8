//! One coarse timer for all sessions of an engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::registry::Registry;
use crate::SessionId;
use crate::sync::Mutex;

/// The deadlines of all sessions, in slots one grain wide: no session has a timer or task of its own.
///
/// A deadline is rounded down to its slot, so it fires up to one grain early and never late. A session's entry is not
/// removed when its deadline moves back, as it does with every pong: the session looks at the clock and enters itself
/// again. The entry holds the id, not the session, which therefore goes as soon as it is closed.
#[derive(Debug)]
pub(crate) struct Deadlines {
    epoch: Instant,
    grain: Duration,
    table: Mutex<Table>,
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Table {
    slots: BTreeMap<u64, Vec<SessionId>>,
    /// Whether the timer's task runs; it ends when there is nothing to wait for.
    is_running: bool,
}

impl Deadlines {
    pub(crate) fn new(grain: Duration) -> Self {
        Self { epoch: now(), grain, table: Mutex::new(Table::default()), earlier: Notify::new() }
    }

    /// Has [`Session::handle_timeout`](crate::Session) called at `at`.
    pub(crate) fn schedule(self: &Arc<Self>, at: Instant, id: SessionId, registry: &Arc<Registry>) {
        let slot = self.slot_of(at);
        let mut table = self.table.lock();
        let is_first = table.slots.first_key_value().is_none_or(|(first, _)| slot < *first);
        table.slots.entry(slot).or_default().push(id);
        if !table.is_running {
            table.is_running = true;
            tokio::spawn(Arc::clone(self).run(Arc::clone(registry)));
        } else if is_first {
            self.earlier.notify_one();
        }
    }

    /// Forgets all deadlines, so that the timer's task ends.
    pub(crate) fn clear(&self) {
        self.table.lock().slots.clear();
        self.earlier.notify_one();
    }

    async fn run(self: Arc<Self>, registry: Arc<Registry>) {
        let _running = Running(&self.table);
        loop {
            let next = {
                let mut table = self.table.lock();
                match table.slots.first_key_value() {
                    Some((slot, _)) => self.start_of(*slot),
                    None => {
                        // Said under the same lock, so that whoever schedules next starts a new task.
                        table.is_running = false;
                        return;
                    }
                }
            };
            tokio::select! {
                // Both branches may be dropped at any time: the table says what is due.
                () = tokio::time::sleep_until(next.into()) => self.fire(&registry).await,
                () = self.earlier.notified() => {}
            }
        }
    }

    async fn fire(&self, registry: &Registry) {
        let now = now();
        loop {
            let due = {
                let mut table = self.table.lock();
                match table.slots.first_entry() {
                    Some(slot) if self.start_of(*slot.key()) <= now => slot.remove(),
                    Some(_) | None => return,
                }
            };
            for ids in due.chunks(SESSIONS_PER_TURN) {
                for id in ids {
                    if let Some(session) = registry.get(id.as_str()) {
                        session.handle_timeout(now);
                    }
                }
                tokio::task::yield_now().await;
            }
        }
    }

    fn slot_of(&self, at: Instant) -> u64 {
        let slots = at.saturating_duration_since(self.epoch).as_nanos() / self.grain.as_nanos().max(1);
        u64::try_from(slots).unwrap_or(u64::MAX)
    }

    fn start_of(&self, slot: u64) -> Instant {
        let nanos = self.grain.as_nanos().saturating_mul(u128::from(slot));
        self.epoch + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// If the timer's task is dropped with its runtime, the next deadline starts another.
struct Running<'a>(&'a Mutex<Table>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut table = self.0.lock();
        if !table.slots.is_empty() {
            table.is_running = false;
        }
    }
}

/// The time that all sessions go by: tokio's, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// How many sessions are looked at before others get the thread.
const SESSIONS_PER_TURN: usize = 64;
