//! An event that the server has sent.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{chain, fail};
use crate::inbox::{Inbox, Received};
use crate::turn::Turn;
use crate::wire::{Wire, read};

/// An event that the server has sent to a [`TestClient`](crate::TestClient).
pub struct Event {
    wire: Arc<Wire>,
    inbox: Arc<Inbox>,
    received: Received,
}

impl Event {
    pub(crate) fn new(wire: &Arc<Wire>, inbox: &Arc<Inbox>, received: Received) -> Self {
        Self { wire: Arc::clone(wire), inbox: Arc::clone(inbox), received }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.received.name
    }

    /// The arguments, read as those of a handler are: several as a tuple, one as itself, none as `()`.
    ///
    /// # Panics
    ///
    /// Panics if they do not fit `T`.
    #[must_use]
    #[track_caller]
    pub fn args<T: DeserializeOwned>(&self) -> T {
        self.read(Location::caller())
    }

    /// Whether the server waits for an answer.
    #[must_use]
    pub fn is_ack_requested(&self) -> bool {
        self.received.id.is_some()
    }

    /// Answers: a tuple or an array is several arguments, `()` none, anything else one.
    ///
    /// The server has the answer when the call returns, unless the client has left meanwhile.
    ///
    /// # Panics
    ///
    /// Panics if the server waits for no answer, or the arguments can't be encoded.
    #[track_caller]
    pub fn ack(self, args: impl Serialize) -> Turn {
        let caller = Location::caller();
        let Some(id) = self.received.id else {
            fail(caller, format_args!("the server waits for no answer to {self:?}"))
        };
        match self.wire.parser.encode_ack(&self.inbox.namespace, id, &args) {
            Err(error) => {
                fail(caller, format_args!("the answer to {self:?} can't be sent: {}", chain(&error)))
            }
            Ok(packet) if self.inbox.with(|state| state.is_joined()) => self.wire.send(&packet),
            Ok(_) => {}
        }
        Turn::default()
    }

    #[track_caller]
    pub(crate) fn read<T: DeserializeOwned>(&self, caller: &Location<'_>) -> T {
        read(&self.received.args)
            .unwrap_or_else(|fault| fail(caller, format_args!("{:?}{fault}", self.name())))
    }
}

/// Name and arguments, as the messages of failed tests show them.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.received, f)
    }
}
