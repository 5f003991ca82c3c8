//! The events of a namespace that clients may have missed, in order. Pure.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use engine_io_parser::Text;
use hashbrown::HashSet;

use super::Session;
use crate::{BroadcastOptions, Outgoing, Room, SocketId};

/// How much of the past is kept, whichever bound is met first. Clients that missed more than that get a new session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLimits {
    /// How long an event is kept, and how long a client may be gone. Default: 2 minutes.
    pub max_age: Duration,
    /// How many events of a namespace are kept. Default: 10 000.
    pub max_events: usize,
    /// How many bytes the events of a namespace may have together. Default: 64 MiB.
    pub max_bytes: usize,
    /// How many clients of a namespace may be gone at a time; of more, those that left first cannot continue. Default:
    /// 100 000.
    pub max_sessions: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(120),
            max_events: 10_000,
            max_bytes: 64 << 20,
            max_sessions: 100_000,
        }
    }
}

/// A position in the log: of the last event that somebody has got. As text it is the epoch, a dot and a number.
pub(super) type Position = u64;

/// The events of one namespace, numbered from 1 on.
pub(super) struct Log {
    limits: LogLimits,
    /// Tells this log from the one of another node, or of this one before it was restarted.
    epoch: u64,
    entries: VecDeque<Entry>,
    /// The number of the newest event, kept or not.
    last: Position,
    n_bytes: usize,
}

struct Entry {
    packet: Outgoing,
    options: BroadcastOptions,
    n_bytes: usize,
    at: Instant,
}

impl Log {
    pub(super) fn new(limits: LogLimits, epoch: u64) -> Self {
        Self { limits, epoch, entries: VecDeque::new(), last: 0, n_bytes: 0 }
    }

    /// Where the log ends, as clients are told.
    pub(super) fn end(&self) -> Text {
        self.text(self.last)
    }

    /// Takes the next event, to which its position is appended; returns what is to be delivered.
    pub(super) fn push(&mut self, packet: &Outgoing, options: &BroadcastOptions, now: Instant) -> Outgoing {
        self.last += 1;
        let mut packet = packet.with_last_arg(&self.text(self.last));
        if !options.flags().may_compress() {
            packet = packet.without_compression();
        }
        let n_bytes = packet.args_json().len() + packet.attachments().map(|bytes| bytes.len()).sum::<usize>();
        self.n_bytes += n_bytes;
        self.entries.push_back(Entry { packet: packet.clone(), options: options.clone(), n_bytes, at: now });
        self.forget(now);
        packet
    }

    /// Forgets what is too much or too old.
    pub(super) fn forget(&mut self, now: Instant) {
        let LogLimits { max_age, max_events, max_bytes, .. } = self.limits;
        while let Some(oldest) = self.entries.front()
            && (self.entries.len() > max_events
                || self.n_bytes > max_bytes
                || now.saturating_duration_since(oldest.at) > max_age)
        {
            self.n_bytes -= oldest.n_bytes;
            self.entries.pop_front();
        }
    }

    /// Reads a position; `None` if it is not one of this log's, or of an event that has not been yet.
    pub(super) fn position(&self, text: &str) -> Option<Position> {
        let (epoch, number) = text.split_once('.')?;
        let position = number.parse().ok()?;
        // What is read must be what was written: no signs, no zeros in front.
        (position <= self.last && *self.text(position) == *text && u64::from_str_radix(epoch, 36).is_ok())
            .then_some(position)
    }

    /// Whether everything behind a position is still there.
    pub(super) fn reaches_back_to(&self, position: Position) -> bool {
        self.last - position <= self.entries.len() as u64
    }

    /// What the client of a session missed that has got everything up to `position`, oldest first.
    ///
    /// An event is for it if it was in the event's rooms when the event was sent. From the newest one backwards the rooms
    /// are known: they are those of the end, until the change that led to them, and so on.
    pub(super) fn missed(&self, position: Position, session: &Session) -> Option<Vec<Outgoing>> {
        if !self.reaches_back_to(position) {
            return None;
        }
        let mut rooms: HashSet<&Room> = session.rooms.iter().collect();
        let mut changes = session.room_changes.iter().rev().peekable();
        let mut missed = Vec::new();
        for (entry, at) in self.entries.iter().rev().zip((position + 1..=self.last).rev()) {
            while let Some(change) = changes.peek()
                && self.position(&change.at)? >= at
            {
                if change.is_join {
                    rooms.remove(&change.room);
                } else {
                    rooms.insert(&change.room);
                }
                changes.next();
            }
            if entry.is_for(&session.socket, &rooms) {
                missed.push(entry.packet.clone());
            }
        }
        missed.reverse();
        Some(missed)
    }

    fn text(&self, position: Position) -> Text {
        Text::from(format!("{}.{position}", Base36(self.epoch)))
    }
}

impl Entry {
    /// Whether it was for a socket that was in these rooms.
    fn is_for(&self, socket: &SocketId, rooms: &HashSet<&Room>) -> bool {
        let (to, except) = (self.options.rooms(), self.options.excepted());
        let is_in = |room: &Room| rooms.contains(room);
        let is_addressed = if self.options.flags().direct {
            to.iter().any(|room| *room == **socket)
        } else {
            to.is_empty() || to.iter().any(is_in)
        };
        is_addressed && !except.iter().any(|room| is_in(room) || *room == **socket)
    }
}

/// Written with digits and lower-case letters.
struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut digits = Vec::new();
        while rest > 0 || digits.is_empty() {
            let digit = u32::try_from(rest % 36).unwrap_or_default();
            digits.push(char::from_digit(digit, 36).unwrap_or('0'));
            rest /= 36;
        }
        digits.iter().rev().try_for_each(|digit| write!(f, "{digit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JsonArgs, RoomChange};

    fn event(name: &str) -> Outgoing {
        Outgoing::from_args(JsonArgs::new(format!(r#"["{name}"]"#), vec![]))
    }

    fn names(missed: Option<Vec<Outgoing>>) -> Option<Vec<String>> {
        let name = |packet: &Outgoing| {
            let json = String::from_utf8_lossy(packet.args_json()).into_owned();
            json.split('"').nth(1).unwrap_or_default().to_owned()
        };
        Some(missed?.iter().map(name).collect())
    }

    fn expected(list: &[&str]) -> Option<Vec<String>> {
        Some(list.iter().map(ToString::to_string).collect())
    }

    /// The session of a socket that has been in these rooms for ever.
    fn in_rooms(rooms: &[&str]) -> Session {
        let mut session = Session::new("secret", "id".into());
        session.rooms = rooms.iter().copied().map(Room::from).collect();
        session
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        let now = Instant::now();
        let mut log = Log::new(LogLimits::default(), u64::MAX);
        assert_eq!(&*log.end(), "3w5e11264sgsf.0");
        let sent = log.push(&event("a"), &BroadcastOptions::new(), now);
        assert_eq!(sent.args_json(), br#"["a","3w5e11264sgsf.1"]"#);
        assert_eq!(log.position("3w5e11264sgsf.1"), Some(1));
        assert_eq!(log.position("3w5e11264sgsf.0"), Some(0));
        for text in [
            "",
            "1",
            ".1",
            "3w5e11264sgsf.2",
            "3w5e11264sgsf.01",
            "3w5e11264sgsf.+1",
            "3W5e11264sgsf.1",
            "x.1",
        ] {
            assert_eq!(log.position(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_missed_is_what_was_sent_to_the_rooms() {
        let now = Instant::now();
        let mut log = Log::new(LogLimits::default(), 1);
        let to = |rooms: &[&str]| BroadcastOptions::new().to_all(rooms.iter().copied());
        log.push(&event("all"), &to(&[]), now);
        log.push(&event("mine"), &to(&["x", "a"]), now);
        log.push(&event("other"), &to(&["x"]), now);
        log.push(&event("not for a"), &to(&[]).except("a"), now);
        log.push(&event("last"), &to(&["b"]), now);
        let client = in_rooms(&["a", "b"]);
        assert_eq!(names(log.missed(0, &client)), expected(&["all", "mine", "last"]));
        assert_eq!(names(log.missed(1, &client)), expected(&["mine", "last"]));
        assert_eq!(names(log.missed(5, &client)), expected(&[]));
    }

    #[test]
    fn rooms_are_those_of_the_time_when_an_event_was_sent() {
        let now = Instant::now();
        let mut log = Log::new(LogLimits::default(), 1);
        let mut client = in_rooms(&["a"]);
        let send = |log: &mut Log, name| {
            log.push(&event(name), &BroadcastOptions::new().to("a"), now);
            log.end()
        };
        let at = send(&mut log, "1");
        client.room_changes.push(RoomChange::joined("a".into(), at));
        let at = send(&mut log, "2");
        client.room_changes.push(RoomChange::left("a".into(), at.clone()));
        client.room_changes.push(RoomChange::joined("b".into(), at));
        let at = send(&mut log, "3");
        client.room_changes.push(RoomChange::joined("a".into(), at));
        send(&mut log, "4");
        assert_eq!(names(log.missed(0, &client)), expected(&["2", "4"]));
        assert_eq!(names(log.missed(3, &client)), expected(&["4"]));
        client.room_changes.push(RoomChange::left("a".into(), "of.1".into()));
        assert_eq!(names(log.missed(0, &client)), None, "a change that is not of this log");
    }

    #[test]
    fn what_is_for_one_socket_has_nothing_to_do_with_rooms() {
        let now = Instant::now();
        let mut log = Log::new(LogLimits::default(), 1);
        log.push(&event("mine"), &BroadcastOptions::to_socket(&"id".into()), now);
        log.push(&event("other"), &BroadcastOptions::to_socket(&"a".into()), now);
        assert_eq!(names(log.missed(0, &in_rooms(&["a"]))), expected(&["mine"]));
    }

    #[test]
    fn what_is_too_much_or_too_old_is_forgotten_and_never_missed_silently() {
        let (start, nowhere) = (Instant::now(), in_rooms(&[]));
        let all = BroadcastOptions::new();
        let limits = LogLimits { max_events: 3, ..LogLimits::default() };
        let mut log = Log::new(limits, 1);
        for name in ["1", "2", "3"] {
            log.push(&event(name), &all, start);
        }
        assert_eq!(log.missed(0, &nowhere).map(|missed| missed.len()), Some(3));
        log.push(&event("4"), &all, start);
        assert!(log.missed(0, &nowhere).is_none());
        assert_eq!(log.missed(1, &nowhere).map(|missed| missed.len()), Some(3));
        log.forget(start + Duration::from_secs(120));
        assert!(log.missed(1, &nowhere).is_some(), "at the bound");
        log.forget(start + Duration::from_millis(120_001));
        assert!(log.missed(3, &nowhere).is_none());
        assert_eq!(log.missed(4, &nowhere).map(|missed| missed.len()), Some(0));

        let one = event("1").with_last_arg("1.1").args_json().len();
        let mut log = Log::new(LogLimits { max_bytes: 2 * one, ..LogLimits::default() }, 1);
        for name in ["1", "2"] {
            log.push(&event(name), &all, start);
        }
        assert!(log.missed(0, &nowhere).is_some());
        log.push(&event("3"), &all, start);
        assert!(log.missed(0, &nowhere).is_none() && log.missed(1, &nowhere).is_some());
    }
}
