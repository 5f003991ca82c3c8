//! The namespaces of one connection.

use smallvec::SmallVec;

/// What one connection is to each namespace it has ever asked for.
///
/// ```text
///              CONNECT               accept                 the server disconnects
///  (unknown) ──────────► Connecting ─────────► Joined ──────────────────────────────► Left
///      ▲                     │ reject            │ DISCONNECT                            │
///      ├─────────────────────┤                   ▼                                       │
///      │        DISCONNECT   └──────────────► Left ──── CONNECT ──► Connecting           │
///      └ a rejected CONNECT leaves no trace    ▲                                         │
///                                              └─────────────────────────────────────────┘
/// ```
///
/// `S` is whatever the caller keeps of a joined socket. Unexpected input is a [`Violation`], for which the caller closes
/// the whole connection; there is no other effect of one.
#[derive(Debug)]
pub(crate) struct Namespaces<S> {
    entries: SmallVec<[Entry<S>; 1]>,
    limits: Limits,
    /// How many CONNECTs for unknown namespaces were answered.
    n_unknown: u16,
    next_ticket: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry<S> {
    name: Box<str>,
    state: State<S>,
}

#[derive(Debug)]
enum State<S> {
    /// CONNECT is being decided; `n_repeats` more of it were ignored.
    Connecting {
        ticket: u64,
        n_repeats: u16,
    },
    Joined(S),
    /// It was joined, or the client gave up before the decision: packets for it may still be under way.
    Left,
}

/// Bounds on what one client may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) max_namespaces: usize,
    pub(crate) max_unknown_namespaces: u16,
    pub(crate) max_repeated_connects: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_namespaces: 64, max_unknown_namespaces: 16, max_repeated_connects: 16 }
    }
}

/// The client broke the rules; the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("CONNECT for a namespace that it has joined")]
    AlreadyJoined,
    #[error("CONNECT repeated more than {max} times while it was being decided")]
    TooManyRepeats { max: u16 },
    #[error("more than {max} CONNECTs for unknown namespaces")]
    TooManyUnknown { max: u16 },
    #[error("more than {max} namespaces")]
    TooManyNamespaces { max: usize },
    #[error("CONNECT while {max} handlers of the connection are running")]
    TooManyTasks { max: usize },
    #[error("packet for a namespace that it never joined")]
    NeverJoined,
}

/// What to do about a CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Connecting {
    /// Decide it, then call [`Namespaces::accept`] or [`Namespaces::reject`] with the ticket.
    Decide { ticket: u64 },
    /// It is a repetition of one that is being decided: ignore it.
    Ignored,
}

/// What to do with an event or an ack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery<'a, S> {
    To(&'a S),
    /// The server has made the client leave; it did not know yet when it sent this. Drop the packet.
    Dropped,
}

/// What a DISCONNECT of the client ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Departure<S> {
    /// The socket that left.
    Socket(S),
    /// The CONNECT was still being decided; its ticket is void now.
    Attempt,
    /// The client had left before.
    Nothing,
}

/// What became of an accepted CONNECT.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted<S> {
    Joined,
    /// The client has gone, or has given up, while it was being decided; here is the socket back.
    Gone(S),
}

impl<S> Namespaces<S> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { entries: SmallVec::new(), limits, n_unknown: 0, next_ticket: 0, is_closed: false }
    }

    /// The client asks to join a namespace that exists.
    pub(crate) fn handle_connect(&mut self, name: &str) -> Result<Connecting, Violation> {
        let ticket = self.next_ticket;
        let Limits { max_repeated_connects, max_namespaces, .. } = self.limits;
        let n_entries = self.entries.len();
        match self.entries.iter_mut().find(|entry| &*entry.name == name) {
            Some(Entry { state: State::Joined(_), .. }) => return Err(Violation::AlreadyJoined),
            Some(Entry { state: State::Connecting { n_repeats, .. }, .. }) => {
                if *n_repeats >= max_repeated_connects {
                    return Err(Violation::TooManyRepeats { max: max_repeated_connects });
                }
                *n_repeats += 1;
                return Ok(Connecting::Ignored);
            }
            Some(Entry { state: state @ State::Left, .. }) => {
                *state = State::Connecting { ticket, n_repeats: 0 }
            }
            None if n_entries >= max_namespaces => {
                return Err(Violation::TooManyNamespaces { max: max_namespaces });
            }
            None => {
                let state = State::Connecting { ticket, n_repeats: 0 };
                self.entries.push(Entry { name: name.into(), state });
            }
        }
        self.next_ticket += 1;
        Ok(Connecting::Decide { ticket })
    }

    /// The client asks to join a namespace that does not exist: it is told so, a bounded number of times.
    pub(crate) fn handle_unknown(&mut self) -> Result<(), Violation> {
        if self.n_unknown >= self.limits.max_unknown_namespaces {
            return Err(Violation::TooManyUnknown { max: self.limits.max_unknown_namespaces });
        }
        self.n_unknown += 1;
        Ok(())
    }

    /// Whose event or ack it is.
    pub(crate) fn handle_packet(&self, name: &str) -> Result<Delivery<'_, S>, Violation> {
        match self.find(name) {
            Some(State::Joined(socket)) => Ok(Delivery::To(socket)),
            Some(State::Left) => Ok(Delivery::Dropped),
            Some(State::Connecting { .. }) | None => Err(Violation::NeverJoined),
        }
    }

    /// The client leaves a namespace, or gives up joining it.
    pub(crate) fn handle_disconnect(&mut self, name: &str) -> Result<Departure<S>, Violation> {
        let Some(entry) = self.entries.iter_mut().find(|entry| &*entry.name == name) else {
            return Err(Violation::NeverJoined);
        };
        Ok(match std::mem::replace(&mut entry.state, State::Left) {
            State::Joined(socket) => Departure::Socket(socket),
            State::Connecting { .. } => Departure::Attempt,
            State::Left => Departure::Nothing,
        })
    }

    /// The CONNECT with this ticket was decided: the client joins.
    #[must_use]
    pub(crate) fn accept(&mut self, ticket: u64, socket: S) -> Accepted<S> {
        match self.entries.iter_mut().find(|entry| entry.is_decided_by(ticket)) {
            Some(entry) => {
                entry.state = State::Joined(socket);
                Accepted::Joined
            }
            None => Accepted::Gone(socket),
        }
    }

    /// The CONNECT with this ticket was decided: the client is refused. Returns whether it is still there to be told.
    #[must_use]
    pub(crate) fn reject(&mut self, ticket: u64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| !entry.is_decided_by(ticket));
        self.entries.len() < before
    }

    /// The server makes a socket leave, if it is the one that is joined: the client may have come back meanwhile.
    pub(crate) fn leave(&mut self, name: &str, is_it: impl FnOnce(&S) -> bool) -> Option<S> {
        let entry = self.entries.iter_mut().find(|entry| &*entry.name == name)?;
        match &entry.state {
            State::Joined(socket) if is_it(socket) => {}
            _ => return None,
        }
        match std::mem::replace(&mut entry.state, State::Left) {
            State::Joined(socket) => Some(socket),
            State::Connecting { .. } | State::Left => None,
        }
    }

    /// The connection is gone: all tickets are void. Returns the sockets that were joined, in the order of joining.
    pub(crate) fn close(&mut self) -> Vec<S> {
        self.is_closed = true;
        let joined = self.entries.drain(..).filter_map(|entry| match entry.state {
            State::Joined(socket) => Some(socket),
            State::Connecting { .. } | State::Left => None,
        });
        joined.collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether a CONNECT is being decided.
    pub(crate) fn is_deciding(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.state, State::Connecting { .. }))
    }

    /// The sockets that are joined.
    pub(crate) fn joined(&self) -> impl Iterator<Item = &S> {
        self.entries.iter().filter_map(|entry| match &entry.state {
            State::Joined(socket) => Some(socket),
            State::Connecting { .. } | State::Left => None,
        })
    }

    fn find(&self, name: &str) -> Option<&State<S>> {
        self.entries.iter().find(|entry| &*entry.name == name).map(|entry| &entry.state)
    }
}

impl<S> Entry<S> {
    fn is_decided_by(&self, wanted: u64) -> bool {
        matches!(self.state, State::Connecting { ticket, .. } if ticket == wanted)
    }
}
