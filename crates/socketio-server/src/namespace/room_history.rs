//! Which rooms a socket has joined and left lately: an event that its client missed is for it if it was in the event's rooms
//! when the event was sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engine_io_parser::Text;
use hashbrown::HashSet;
use socketio_adapter::{Room, RoomChange};
use tokio::time::Instant;

use crate::namespace::{NamespaceInner, RoomsChanged};
use crate::socket::SocketInner;

/// The changes of one socket's rooms, as far back as somebody may have missed an event.
#[derive(Debug, Default)]
pub(super) struct RoomHistory {
    /// Oldest first, each with its time.
    changes: VecDeque<(Instant, RoomChange)>,
    /// Of the changes up to here, some were too many.
    since: Option<Text>,
}

/// How much of it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct HistoryLimits {
    /// How long an event is kept in the log: of what was before that, nobody asks.
    pub(super) max_age: Duration,
    pub(super) max_changes: usize,
}

impl RoomHistory {
    /// Goes on with what was kept of a session.
    pub(super) fn resume(changes: Vec<RoomChange>, since: Option<Text>, limits: HistoryLimits) -> Self {
        let mut history = Self { changes: VecDeque::new(), since };
        changes.into_iter().for_each(|change| history.note(change, limits));
        history
    }

    /// Adds a change, the latest.
    pub(super) fn note(&mut self, change: RoomChange, limits: HistoryLimits) {
        let now = Instant::now();
        self.changes.push_back((now, change));
        while self.changes.front().is_some_and(|(at, _)| now.duration_since(*at) > limits.max_age) {
            self.changes.pop_front();
        }
        while self.changes.len() > limits.max_changes {
            self.since = self.changes.pop_front().map(|(_, change)| change.at);
        }
    }

    pub(super) fn changes(&self) -> Vec<RoomChange> {
        self.changes.iter().map(|(_, change)| change.clone()).collect()
    }

    /// From where on all changes are known, if not from the session's start.
    pub(super) fn since(&self) -> Option<Text> {
        self.since.clone()
    }
}

impl NamespaceInner {
    /// Lets a socket join or leave rooms by `change`, and notes what that did.
    pub(crate) fn change_rooms<R>(
        self: &Arc<Self>,
        socket: &SocketInner,
        mut change: impl FnMut(Option<&mut RoomsChanged>) -> R,
    ) -> R {
        let Some(key) = socket.session() else { return change(None) };
        self.between_events(|at| {
            // Before the change: whoever sees what it did to the rooms waits for the note.
            let mut history = key.room_history.lock();
            let mut changed = RoomsChanged::new();
            let result = change(Some(&mut changed));
            if let Some(at) = at {
                self.note_changes(&mut history, &at, changed);
            }
            result
        })
    }

    /// Calls `resume`, which lets a socket in again and says whether that went well, and notes what middleware has done to
    /// its rooms. The log ends `at` this position, and is locked.
    pub(crate) fn resume_session(
        &self,
        socket: &SocketInner,
        rooms_before: &[Room],
        at: &Text,
        resume: impl FnOnce() -> bool,
    ) -> bool {
        let Some(key) = socket.session() else { return resume() };
        let mut history = key.room_history.lock();
        if !resume() {
            return false;
        }
        let rooms = socket.rooms();
        let (before, now): (HashSet<&Room>, HashSet<&Room>) =
            (rooms_before.iter().collect(), rooms.iter().collect());
        let left = before.difference(&now).map(|room| (Room::clone(room), false));
        let joined = now.difference(&before).map(|room| (Room::clone(room), true));
        self.note_changes(&mut history, at, left.chain(joined));
        true
    }

    fn note_changes(
        &self,
        history: &mut RoomHistory,
        at: &Text,
        changed: impl IntoIterator<Item = (Room, bool)>,
    ) {
        let Some(limits) = self.history_limits() else { return };
        for (room, is_join) in changed {
            let change = if is_join { RoomChange::joined } else { RoomChange::left };
            history.note(change(room, at.clone()), limits);
        }
    }

    pub(super) fn history_limits(&self) -> Option<HistoryLimits> {
        let config = &self.shared().config;
        let max_age = config.recovery.as_ref()?.limits.max_age;
        Some(HistoryLimits { max_age, max_changes: config.rooms.max_rooms_per_socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HistoryLimits = HistoryLimits { max_age: Duration::from_secs(120), max_changes: 2 };

    fn joined(at: &'static str) -> RoomChange {
        RoomChange::joined("room".into(), at.into())
    }

    fn known(history: &RoomHistory) -> Vec<Text> {
        history.changes().into_iter().map(|change| change.at).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_forgotten_and_never_asked_for() {
        let mut history = RoomHistory::default();
        history.note(joined("1"), LIMITS);
        tokio::time::advance(Duration::from_secs(120)).await;
        history.note(joined("2"), LIMITS);
        assert_eq!(known(&history), ["1", "2"]);
        tokio::time::advance(Duration::from_millis(1)).await;
        history.note(joined("3"), LIMITS);
        assert_eq!((known(&history), history.since()), (vec!["2".into(), "3".into()], None));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_much_is_forgotten_and_told_of() {
        let mut history = RoomHistory::resume(vec![joined("1"), joined("2")], None, LIMITS);
        assert_eq!((known(&history), history.since()), (vec!["1".into(), "2".into()], None));
        history.note(joined("3"), LIMITS);
        assert_eq!((known(&history), history.since()), (vec!["2".into(), "3".into()], Some("1".into())));
        let history = RoomHistory::resume(history.changes(), history.since(), LIMITS);
        assert_eq!(history.since(), Some("1".into()));
    }
}
