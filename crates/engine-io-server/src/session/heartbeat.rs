//! Pings and the deadline for their pongs.

use std::time::{Duration, Instant};

/// The heartbeat of Engine.IO 4: the server pings, the client answers.
///
/// ```text
///            ping_at reached                pong
///   Resting ────────────────► Waiting ─────────────► Resting
///                                │ pong_by reached
///                                └──────────────────► expired
/// ```
#[derive(Debug)]
pub(super) struct Heartbeat {
    beat: Beat,
    /// Since when nothing is read of the peer; its pong may lie unread, so its deadline stands still.
    paused_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum Beat {
    Resting { ping_at: Instant },
    Waiting { pong_by: Instant, extended: bool, excused: bool },
}

/// What a look at the clock brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tick {
    Nothing,
    Ping,
    Expired,
}

/// The two periods of a session, its jitter already taken off the interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Periods {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

impl Heartbeat {
    pub(super) fn new(now: Instant, ping_interval: Duration) -> Self {
        Self { beat: Beat::Resting { ping_at: now + ping_interval }, paused_at: None }
    }

    #[must_use]
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.beat, self.paused_at) {
            (Beat::Resting { ping_at }, _) => Some(ping_at),
            (Beat::Waiting { pong_by, .. }, None) => Some(pong_by),
            (Beat::Waiting { .. }, Some(_)) => None,
        }
    }

    /// Acts on a deadline that has come; `grain` is how much too early the timer may look.
    pub(super) fn handle_timeout(&mut self, now: Instant, grain: Duration, periods: Periods) -> Tick {
        let is_due = self.deadline().is_some_and(|deadline| deadline <= now + grain);
        match &mut self.beat {
            _ if !is_due => Tick::Nothing,
            Beat::Resting { ping_at } => {
                // Counted from when the ping was due, so that small delays of the timer do not add up; a ping that is
                // much too late starts afresh.
                let is_late = now > *ping_at + periods.timeout / 10;
                let pong_by = if is_late { now } else { *ping_at } + periods.timeout;
                self.beat = Beat::Waiting { pong_by, extended: false, excused: false };
                if self.paused_at.is_some() {
                    self.paused_at = Some(now);
                }
                Tick::Ping
            }
            // The clock jumped far past the deadline: it was this process that stood still, and the pong may wait in
            // the kernel. The peer gets one more period.
            Beat::Waiting { pong_by, excused, .. } if !*excused && now > *pong_by + periods.timeout / 4 => {
                *excused = true;
                *pong_by = now + periods.timeout;
                Tick::Nothing
            }
            Beat::Waiting { .. } => Tick::Expired,
        }
    }

    /// A pong counts only while a ping is out.
    pub(super) fn handle_pong(&mut self, now: Instant, periods: Periods) {
        if let Beat::Waiting { .. } = self.beat {
            self.beat = Beat::Resting { ping_at: now + periods.interval };
        }
    }

    /// Another packet than a pong: the peer lives, though its pong may stand behind a long upload. Extends the deadline
    /// once per ping.
    pub(super) fn handle_activity(&mut self, now: Instant, periods: Periods) {
        if let Beat::Waiting { pong_by, extended: extended @ false, .. } = &mut self.beat {
            *extended = true;
            *pong_by = now + periods.timeout;
        }
    }

    pub(super) fn pause(&mut self, now: Instant) {
        self.paused_at.get_or_insert(now);
    }

    pub(super) fn resume(&mut self, now: Instant) {
        let Some(paused_at) = self.paused_at.take() else { return };
        if let Beat::Waiting { pong_by, .. } = &mut self.beat {
            *pong_by += now.saturating_duration_since(paused_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIODS: Periods = Periods { interval: Duration::from_secs(25), timeout: Duration::from_secs(20) };
    const GRAIN: Duration = Duration::from_millis(1);

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A heartbeat whose ping went out at `start + 25 s`.
    fn waiting() -> (Heartbeat, Instant) {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, PERIODS.interval);
        let at = start + secs(25);
        assert_eq!(heartbeat.handle_timeout(at, GRAIN, PERIODS), Tick::Ping);
        (heartbeat, at)
    }

    #[test]
    fn an_unanswered_ping_expires_exactly_at_the_timeout() {
        let (mut heartbeat, at) = waiting();
        assert_eq!(heartbeat.handle_timeout(at + secs(20) - 2 * GRAIN, GRAIN, PERIODS), Tick::Nothing);
        assert_eq!(heartbeat.handle_timeout(at + secs(20), GRAIN, PERIODS), Tick::Expired);
    }

    #[test]
    fn a_timer_that_is_a_little_late_does_not_move_the_deadline() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, PERIODS.interval);
        assert_eq!(heartbeat.handle_timeout(start + secs(27), GRAIN, PERIODS), Tick::Ping);
        assert_eq!(heartbeat.deadline(), Some(start + secs(45)));
    }

    #[test]
    fn a_ping_that_is_much_too_late_gives_the_whole_timeout() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, PERIODS.interval);
        assert_eq!(heartbeat.handle_timeout(start + secs(40), GRAIN, PERIODS), Tick::Ping);
        assert_eq!(heartbeat.deadline(), Some(start + secs(60)));
    }

    #[test]
    fn a_pong_starts_the_next_interval() {
        let (mut heartbeat, at) = waiting();
        heartbeat.handle_pong(at + secs(3), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(at + secs(28)));
    }

    #[test]
    fn an_unasked_pong_changes_nothing() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, PERIODS.interval);
        heartbeat.handle_pong(start + secs(10), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(start + secs(25)));
    }

    #[test]
    fn activity_extends_the_deadline_once_per_ping() {
        let (mut heartbeat, at) = waiting();
        heartbeat.handle_activity(at + secs(10), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(at + secs(30)));
        heartbeat.handle_activity(at + secs(20), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(at + secs(30)));
        heartbeat.handle_pong(at + secs(21), PERIODS);
        let next = at + secs(46);
        assert_eq!(heartbeat.handle_timeout(next, GRAIN, PERIODS), Tick::Ping);
        heartbeat.handle_activity(next + secs(1), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(next + secs(21)));
    }

    #[test]
    fn activity_before_a_ping_changes_nothing() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, PERIODS.interval);
        heartbeat.handle_activity(start + secs(24), PERIODS);
        assert_eq!(heartbeat.deadline(), Some(start + secs(25)));
    }

    #[test]
    fn the_deadline_stands_still_while_nothing_is_read() {
        let (mut heartbeat, at) = waiting();
        heartbeat.pause(at + secs(5));
        assert_eq!(heartbeat.deadline(), None);
        heartbeat.resume(at + secs(105));
        assert_eq!(heartbeat.deadline(), Some(at + secs(120)));
    }

    #[test]
    fn a_ping_goes_out_while_paused_and_its_deadline_starts_at_the_resumption() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start, PERIODS.interval);
        heartbeat.pause(start + secs(1));
        assert_eq!(heartbeat.handle_timeout(start + secs(25), GRAIN, PERIODS), Tick::Ping);
        heartbeat.resume(start + secs(60));
        assert_eq!(heartbeat.deadline(), Some(start + secs(80)));
    }

    #[test]
    fn a_stall_of_the_process_gives_one_more_timeout_and_only_one() {
        let (mut heartbeat, at) = waiting();
        let late = at + secs(60);
        assert_eq!(heartbeat.handle_timeout(late, GRAIN, PERIODS), Tick::Nothing);
        assert_eq!(heartbeat.deadline(), Some(late + secs(20)));
        assert_eq!(heartbeat.handle_timeout(late + secs(90), GRAIN, PERIODS), Tick::Expired);
    }
}
