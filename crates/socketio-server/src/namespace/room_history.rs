//! Which rooms a socket has joined and left lately: an event that its client missed is for it if it was in the event's rooms
//! when the event was sent.

use std::collections::VecDeque;
use std::time::Duration;

use engine_io_parser::Text;
use socketio_adapter::RoomChange;
use tokio::time::Instant;

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
