//! What each client is to get.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// The events for each client, as the one who sends them knows.
pub(crate) struct Expected(Vec<Mutex<Vec<Event>>>);

/// An event for one client. Numbers rise.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    pub(crate) n: u64,
    pub(crate) at: Instant,
    /// False if its socket went at the moment when it was to leave a room: then nobody can say whether it did.
    pub(crate) is_certain: bool,
}

/// How far one client is.
pub(crate) struct Progress {
    client: usize,
    /// The place in the list of what must come next; before its session has begun, nothing is known.
    next: Option<usize>,
    is_flawed: bool,
    /// When the last event was said that the client has got.
    pub(crate) at: Option<Instant>,
    pub(crate) n_events: u64,
}

impl Expected {
    pub(crate) fn of(clients: usize) -> Self {
        Self((0..clients).map(|_| Mutex::default()).collect())
    }

    /// The list of one client. While it is locked, the client waits with what it got.
    pub(crate) fn events(&self, client: usize) -> MutexGuard<'_, Vec<Event>> {
        self.0[client].lock().expect("no panic")
    }
}

impl Progress {
    pub(crate) fn of(client: usize) -> Self {
        Self { client, next: None, is_flawed: false, at: None, n_events: 0 }
    }

    /// The client has a new session: what was before does not count.
    pub(crate) fn forget(&mut self) {
        (self.next, self.at) = (None, None);
    }

    /// This event is the first of a session.
    pub(crate) fn begin(&mut self, n: u64, expected: &Expected) -> Result<(), String> {
        if self.next.is_some() {
            return self.got(n, expected);
        }
        let events = expected.events(self.client);
        let at =
            events.binary_search_by_key(&n, |event| event.n).map_err(|_| format!("{n} is not for it"))?;
        (self.next, self.at) = (Some(at + 1), Some(events[at].at));
        Ok(())
    }

    /// This event is the last of all.
    pub(crate) fn end(&mut self, n: u64, expected: &Expected) -> Result<(), String> {
        if self.next.is_none() && !self.is_flawed {
            return Err("the first event of its session is missing".to_owned());
        }
        self.got(n, expected)
    }

    /// The client has got an event.
    pub(crate) fn got(&mut self, n: u64, expected: &Expected) -> Result<(), String> {
        let Some(next) = self.next else { return Ok(()) };
        let events = expected.events(self.client);
        let skipped = events[next..].iter().take_while(|event| event.n < n && !event.is_certain).count();
        let at = next + skipped;
        if events.get(at).is_some_and(|event| event.n == n) {
            (self.next, self.at) = (Some(at + 1), Some(events[at].at));
            self.n_events += 1;
            return Ok(());
        }
        // One flaw is enough for this session.
        (self.next, self.is_flawed) = (None, true);
        Err(match events.binary_search_by_key(&n, |event| event.n) {
            Ok(known) if known < next => format!("{n} came twice, or too late"),
            Ok(known) => {
                format!("{} events are missing before {n}, the first is {}", known - at, events[at].n)
            }
            Err(_) => format!("{n} is not for it"),
        })
    }
}

#[test]
fn each_kind_of_flaw_is_seen() {
    let expected = Expected::of(1);
    for (n, is_certain) in [(1, true), (2, true), (4, false), (5, true), (6, true)] {
        expected.events(0).push(Event { n, at: Instant::now(), is_certain });
    }
    let read = |numbers: &[u64]| {
        let mut progress = Progress::of(0);
        progress.begin(1, &expected).expect("it is for the client");
        numbers.iter().try_for_each(|n| progress.got(*n, &expected))
    };
    assert_eq!(read(&[2, 4, 5, 6]), Ok(()));
    assert_eq!(read(&[2, 5, 6]), Ok(()));
    assert_eq!(read(&[2, 6]), Err("1 events are missing before 6, the first is 5".to_owned()));
    assert_eq!(read(&[2, 2]), Err("2 came twice, or too late".to_owned()));
    assert_eq!(read(&[2, 4, 5, 4]), Err("4 came twice, or too late".to_owned()));
    assert_eq!(read(&[2, 3]), Err("3 is not for it".to_owned()));
    assert!(Progress::of(0).begin(3, &expected).is_err());
    assert!(Progress::of(0).end(6, &expected).is_err());
}
