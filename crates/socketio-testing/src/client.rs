//! The client that a test holds.

use std::fmt::{self, Display};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_parser::{EncodeError, EncodedPacket, EventHeader};
use socketio_server::{DisconnectReason, Server};

use crate::answer::Answer;
use crate::builder::{ClientBuilder, full_name, to_auth};
use crate::error::Refused;
use crate::event::Event;
use crate::failure::{chain, fail};
use crate::inbox::{Answerer, Inbox, Phase, State};
use crate::join::join;
use crate::sync::Mutex;
use crate::turn::{TURN, Turn};
use crate::wire::{Lifeline, Wire, read};

/// A client in one namespace, without a network; [`join`](Self::join) takes its connection to further ones.
///
/// What is expected but does not come within the deadline (5 s, or [`ClientBuilder::deadline`]) fails the test with a
/// panic that says what came instead. The methods that wait are cancel safe: what they have not returned stays.
///
/// The connection is lost (`transport close`) when the last client that uses it is dropped.
///
/// # Panics
///
/// Dropping it panics if [`answer`](Self::answer) could not answer an event, or the server sent what no client can
/// read, and the test has not heard of it before.
pub struct TestClient {
    wire: Arc<Lifeline>,
    inbox: Arc<Inbox>,
    id: Arc<str>,
    deadline: Duration,
    /// The line of the test that made it.
    origin: &'static Location<'static>,
}

impl TestClient {
    /// Connects to a server and joins its root namespace.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime, or if the client is refused: a test that wants this uses
    /// [`builder`](Self::builder).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the connection.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn connect(io: &Server) -> impl Future<Output = Self> + Send + use<> {
        let caller = Location::caller();
        let connecting = Self::builder(io).connect();
        async move { connecting.await.unwrap_or_else(|refused| fail(caller, refused)) }
    }

    /// A client with credentials, headers and the like; [`ClientBuilder::connect`] connects it.
    pub fn builder(io: &Server) -> ClientBuilder {
        ClientBuilder::new(io)
    }

    /// Joins another namespace over the same connection; without credentials if `auth` is `()`.
    ///
    /// # Errors
    ///
    /// [`Refused`] if a middleware refuses the client, or the server has no such namespace.
    ///
    /// # Panics
    ///
    /// Panics if the client is there already, if there is no answer in time, or if the connection is closed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropped, it leaves open whether the client is in the namespace.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn join(
        &self,
        namespace: &str,
        auth: impl Serialize,
    ) -> impl Future<Output = Result<Self, Refused>> + Send {
        let caller = Location::caller();
        let auth = to_auth(auth, caller);
        let namespace = full_name(namespace);
        async move { join(&self.wire, &namespace, auth.as_ref(), self.deadline, caller).await }
    }

    /// The id of the client's socket at the server.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.inbox.namespace
    }

    /// Whether the client is in its namespace, as far as it knows.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.inbox.with(|state| state.is_joined())
    }

    /// Sends an event: a tuple or an array is several arguments, `()` none, anything else one.
    ///
    /// Its handler has been polled once when the call returns, if the server was ready for it.
    ///
    /// # Panics
    ///
    /// Panics if the client has left, or the event can't be encoded.
    #[track_caller]
    pub fn emit(&self, event: &str, args: impl Serialize) -> Turn {
        let caller = Location::caller();
        let packet = self.encode(event, None, &args, caller);
        if !self.is_connected() {
            self.fail(caller, format_args!("{event:?} can't be sent"));
        }
        self.wire().send(&packet);
        Turn::default()
    }

    /// Sends an event and waits for the server's answer, which is read as `T` like the arguments of an event.
    ///
    /// The event is sent when the call returns. See [`Answer`] for how it ends.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime, or if the event can't be encoded.
    #[track_caller]
    pub fn emit_with_ack<T: DeserializeOwned>(&self, event: &str, args: impl Serialize) -> Answer<T> {
        let id = self.wire().next_ack_id();
        let packet = self.encode(event, Some(id), &args, Location::caller());
        let answer = Answer::new(&self.inbox, id, self.deadline);
        if self.is_connected() {
            self.wire().send(&packet);
        }
        answer
    }

    /// Has each event of this name answered that the server wants an answer to, also those that have come already.
    ///
    /// Such events are not among those to be expected any more. The handler reads arguments and gives an answer like
    /// one of the server's, and takes the place of an earlier one for this name. If it panics, or the arguments do not
    /// fit it, the test fails: at what the client does next, at the latest when it is dropped.
    pub fn answer<T, R>(&mut self, event: &str, mut handler: impl FnMut(T) -> R + Send + 'static)
    where
        T: DeserializeOwned,
        R: Serialize,
    {
        let namespace = Arc::clone(&self.inbox.namespace);
        let answerer = Answerer(Arc::new(Mutex::new(Box::new(move |wire: &Wire, id, args: &_| {
            let answer = handler(read(args)?);
            wire.parser.encode_ack(&namespace, id, &answer).map_err(|error| chain(&error))
        }))));
        let waiting = self.inbox.with(|state| {
            state.answerers.insert(event.to_owned(), answerer);
            let events = state.events.drain(..);
            let (waiting, others): (Vec<_>, Vec<_>) =
                events.partition(|known| known.name == event && known.id.is_some());
            state.events = others.into();
            waiting
        });
        waiting.into_iter().for_each(|received| self.wire().handle_event(&self.inbox, received));
    }

    /// The arguments of the next event of this name, read as `T` like those of a handler.
    ///
    /// Events of other names that came before it stay, to be expected later; a test of their order uses
    /// [`next_event`](Self::next_event).
    ///
    /// # Panics
    ///
    /// Panics if it does not come in time, if the client leaves before, or if the arguments do not fit `T`.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn expect<T: DeserializeOwned>(&mut self, event: &str) -> impl Future<Output = T> + Send {
        let caller = Location::caller();
        async move { self.take(Some(event), caller).await.read(caller) }
    }

    /// The next event of this name as a whole, so that it can be answered.
    ///
    /// # Panics
    ///
    /// Panics if it does not come in time, or if the client leaves before.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn expect_event(&mut self, event: &str) -> impl Future<Output = Event> + Send {
        let caller = Location::caller();
        self.take(Some(event), caller)
    }

    /// The next event, whatever its name.
    ///
    /// # Panics
    ///
    /// Panics if none comes in time, or if the client leaves before.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn next_event(&mut self) -> impl Future<Output = Event> + Send {
        let caller = Location::caller();
        self.take(None, caller)
    }

    /// The events that have come and were not taken yet, in their order.
    ///
    /// # Panics
    ///
    /// Panics if an event could not be answered or read.
    #[track_caller]
    pub fn take_events(&mut self) -> Vec<Event> {
        self.check_fault(Location::caller());
        let events = self.inbox.with(|state| std::mem::take(&mut state.events));
        events.into_iter().map(|received| Event::new(self.wire(), &self.inbox, received)).collect()
    }

    /// Makes sure that all events have been taken and nothing more comes within 10 ms of Tokio's clock: if that is
    /// paused, before everything waits for something. A disconnect that was not expected counts as something.
    ///
    /// # Panics
    ///
    /// Panics if something comes.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn expect_nothing(&mut self) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        self.nothing(None, TURN, caller)
    }

    /// Like [`expect_nothing`](Self::expect_nothing), but for so long.
    ///
    /// # Panics
    ///
    /// Panics if something comes.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn expect_nothing_for(&mut self, duration: Duration) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        self.nothing(None, duration, caller)
    }

    /// Like [`expect_nothing`](Self::expect_nothing), but events of other names may come, and stay.
    ///
    /// # Panics
    ///
    /// Panics if an event of this name comes, or the client leaves.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn expect_no(&mut self, event: &str) -> impl Future<Output = ()> + Send {
        let caller = Location::caller();
        self.nothing(Some(event), TURN, caller)
    }

    /// Waits until the client has left its namespace, and says why, in the words that disconnect handlers get.
    ///
    /// Events that came before stay. If the server made the client leave, the reason is
    /// [`ServerNamespaceDisconnect`](DisconnectReason::ServerNamespaceDisconnect), also if it then closed the
    /// connection.
    ///
    /// # Panics
    ///
    /// Panics if the client is still there at the deadline.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn expect_disconnect(&mut self) -> impl Future<Output = DisconnectReason> + Send {
        let caller = Location::caller();
        async move {
            let check = |state: &mut State| match &mut state.phase {
                Phase::Left { reason, is_known } => {
                    *is_known = true;
                    Some(*reason)
                }
                _ => None,
            };
            let reason = self.wait(self.deadline, check, caller).await;
            reason.unwrap_or_else(|| self.fail(caller, "expected a disconnect"))
        }
    }

    /// Leaves the namespace, and closes the connection if it is in no other, as stock clients do.
    ///
    /// Disconnect handlers get the reason `client namespace disconnect`; they run in the server's next turn. If the
    /// client has left already, nothing happens.
    pub fn disconnect(&mut self) -> Turn {
        if self.is_connected() {
            if let Ok(packet) = self.wire().parser.encode_disconnect(self.namespace()) {
                self.wire().send(&packet);
            }
            self.inbox.leave(DisconnectReason::ClientNamespaceDisconnect, true);
            self.wire().depart(self.namespace());
        }
        Turn::default()
    }

    /// The connection breaks, and with it the client leaves all its namespaces. What is still on its way is lost.
    ///
    /// Disconnect handlers get this reason, which in earnest comes from the transport: `TransportClose`, `TransportError`,
    /// `PingTimeout` and so on. They run in the server's next turn. If the connection is closed already, nothing
    /// happens.
    pub fn lose(&mut self, reason: DisconnectReason) -> Turn {
        self.wire().lose(reason, true);
        Turn::default()
    }

    /// Makes a slow client: nothing is read any more, in any namespace, so what the server sends stays in its outbox.
    ///
    /// Volatile events are dropped then, an emit that the server awaits waits while more than 1 MiB is in the outbox,
    /// and going past 16 MiB closes the connection with the reason `slow consumer`. These are the numbers of the engine.
    /// Its limits in time do not exist here: use [`lose`](Self::lose) with
    /// [`SlowConsumer`](DisconnectReason::SlowConsumer).
    pub fn stop_reading(&mut self) {
        self.wire().link.set_stopped(true);
    }

    /// Reads what has piled up since [`stop_reading`](Self::stop_reading), and goes on reading.
    pub fn resume_reading(&mut self) -> Turn {
        self.wire().link.set_stopped(false);
        Turn::default()
    }

    pub(crate) fn new(
        wire: Arc<Lifeline>,
        inbox: Arc<Inbox>,
        id: Arc<str>,
        deadline: Duration,
        origin: &'static Location<'static>,
    ) -> Self {
        Self { wire, inbox, id, deadline, origin }
    }

    fn wire(&self) -> &Arc<Wire> {
        &self.wire.0
    }

    #[track_caller]
    fn encode(
        &self,
        event: &str,
        id: Option<u64>,
        args: &impl Serialize,
        caller: &Location<'_>,
    ) -> EncodedPacket {
        let mut header = EventHeader::new(self.namespace(), event);
        header.id = id;
        let packet: Result<_, EncodeError> = self.wire().parser.encode_event(&header, args);
        packet
            .unwrap_or_else(|error| fail(caller, format_args!("{event:?} can't be sent: {}", chain(&error))))
    }

    /// The next event, of this name if there is one.
    async fn take(&mut self, event: Option<&str>, caller: &Location<'_>) -> Event {
        let check = |state: &mut State| {
            let idx = state.events.iter().position(|known| event.is_none_or(|name| known.name == name));
            match idx.and_then(|idx| state.events.remove(idx)) {
                Some(received) => Some(Some(received)),
                // Nothing more will come.
                None if !state.is_joined() => Some(None),
                None => None,
            }
        };
        match self.wait(self.deadline, check, caller).await.flatten() {
            Some(received) => Event::new(self.wire(), &self.inbox, received),
            None => match event {
                Some(event) => self.fail(caller, format_args!("expected the event {event:?}")),
                None => self.fail(caller, "expected an event"),
            },
        }
    }

    async fn nothing(&mut self, event: Option<&str>, duration: Duration, caller: &Location<'_>) {
        let check = |state: &mut State| {
            let is_gone = matches!(state.phase, Phase::Left { is_known: false, .. });
            let came = state.events.iter().any(|known| event.is_none_or(|name| known.name == name));
            (is_gone || came).then_some(())
        };
        if self.wait(duration, check, caller).await.is_some() {
            match event {
                Some(event) => self.fail(caller, format_args!("expected no event {event:?}")),
                None => self.fail(caller, "expected nothing"),
            }
        }
    }

    /// Waits until `check` finds what it looks for, or the time is up.
    async fn wait<R>(
        &self,
        time: Duration,
        check: impl FnMut(&mut State) -> Option<R>,
        caller: &Location<'_>,
    ) -> Option<R> {
        let found = self.inbox.wait(time, check).await;
        self.check_fault(caller);
        found
    }

    #[track_caller]
    fn check_fault(&self, caller: &Location<'_>) {
        if let Some(fault) = self.inbox.with(|state| state.fault.take()) {
            fail(caller, fault);
        }
    }

    /// Fails the test, and says what has come and whether the client is still there.
    #[track_caller]
    fn fail(&self, caller: &Location<'_>, problem: impl Display) -> ! {
        let message = self.inbox.with(|state| {
            let state_of_things = match &state.phase {
                Phase::Left { reason, .. } => format!("; the client has left: {reason}"),
                _ => String::new(),
            };
            format!(
                "{problem} in {}; there is {}{state_of_things}",
                self.namespace(),
                state.events_in_words()
            )
        });
        fail(caller, message)
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_fault(self.origin);
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("namespace", &self.namespace())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
