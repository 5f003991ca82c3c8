//! One connection with all its namespaces, shared by the clients that are in them.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use socketio_parser::{Args, EncodedPacket, Limits, Packet, Parser};
use socketio_server::{DisconnectReason, Server};

use crate::failure::chain;
use crate::inbox::{Inbox, Phase, Received};
use crate::link::{Link, Request};
use crate::reader;
use crate::show;
use crate::sync::Mutex;
use crate::uplink::Uplink;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) link: Arc<Link>,
    pub(crate) uplink: Uplink,
    pub(crate) parser: Parser,
    /// Where the client is, or is about to be.
    inboxes: Mutex<HashMap<Arc<str>, Arc<Inbox>>>,
    n_asked: AtomicU64,
}

/// What the clients of a connection hold. The connection is lost when the last one is gone.
#[derive(Debug)]
pub(crate) struct Lifeline(pub(crate) Arc<Wire>);

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.0.lose(DisconnectReason::TransportClose, true);
    }
}

impl Wire {
    /// Opens a connection. Its reader is a task that ends with it.
    pub(crate) fn open(io: &Server, request: Request) -> Lifeline {
        let link = Arc::new(Link::new(request));
        let wire = Arc::new(Self {
            uplink: Uplink::new(io.open(Arc::clone(&link) as _)),
            link,
            parser: as_client(io.parser()),
            inboxes: Mutex::default(),
            n_asked: AtomicU64::new(0),
        });
        tokio::spawn(reader::run(Arc::clone(&wire)));
        Lifeline(wire)
    }

    pub(crate) fn send(&self, packet: &EncodedPacket) {
        let messages = packet.frames().iter().map(|frame| frame.to_message());
        self.uplink.send(messages, &self.link);
    }

    /// An ack id that this connection has not used.
    pub(crate) fn next_ack_id(&self) -> u64 {
        self.n_asked.fetch_add(1, Ordering::Relaxed)
    }

    /// A place for what comes in this namespace; `None` if there is one already.
    pub(crate) fn enter(&self, namespace: &str) -> Option<Arc<Inbox>> {
        let mut inboxes = self.inboxes.lock();
        if inboxes.contains_key(namespace) {
            return None;
        }
        let inbox = Arc::new(Inbox::new(namespace));
        inboxes.insert(Arc::clone(&inbox.namespace), Arc::clone(&inbox));
        Some(inbox)
    }

    /// The client is not in this namespace any more; as a stock client does, it closes a connection without any.
    pub(crate) fn depart(&self, namespace: &str) {
        let is_last = {
            let mut inboxes = self.inboxes.lock();
            inboxes.remove(namespace);
            inboxes.is_empty()
        };
        if is_last {
            self.lose(DisconnectReason::TransportClose, false);
        }
    }

    /// The connection breaks, or is closed by the client; `is_known` if the test need not be told.
    pub(crate) fn lose(&self, reason: DisconnectReason, is_known: bool) {
        let reason = self.link.cut(reason);
        self.uplink.drive(&self.link);
        self.leave_all(reason, is_known);
    }

    /// The connection is closed, and all that came over it has been read.
    pub(crate) fn leave_all(&self, reason: DisconnectReason, is_known: bool) {
        let inboxes = std::mem::take(&mut *self.inboxes.lock());
        inboxes.into_values().for_each(|inbox| inbox.leave(reason, is_known));
    }

    /// What the server sends can't be read: all clients of the connection fail their tests.
    pub(crate) fn report(&self, fault: &str) {
        let inboxes: Vec<_> = self.inboxes.lock().values().cloned().collect();
        inboxes.into_iter().for_each(|inbox| inbox.report(fault.to_owned()));
    }

    /// A packet has come from the server.
    pub(crate) fn handle(&self, packet: Packet) {
        let inbox = self.inboxes.lock().get(&**packet.namespace()).cloned();
        // The client has left meanwhile: a stock client ignores it, too.
        let Some(inbox) = inbox else { return };
        match packet {
            Packet::Connect { auth, .. } => {
                let welcome = auth.as_ref().map(|auth| auth.get::<Welcome>());
                match welcome {
                    Some(Ok(welcome)) => {
                        inbox.change(|state| state.phase = Phase::Joined { id: welcome.sid.into() });
                    }
                    _ => inbox.report("the server's answer to CONNECT has no socket id".to_owned()),
                }
            }
            Packet::ConnectError { data, .. } => {
                inbox.change(|state| state.phase = Phase::Refused(data));
                self.depart(&inbox.namespace);
            }
            Packet::Disconnect { .. } => {
                inbox.leave(DisconnectReason::ServerNamespaceDisconnect, false);
                self.depart(&inbox.namespace);
            }
            Packet::Event { id, name, args, .. } => {
                self.handle_event(&inbox, Received { name: name.to_string(), id, args });
            }
            Packet::Ack { id, args, .. } => {
                // Whoever asked may have given up.
                if let Some(asked) = inbox.change(|state| state.asked.remove(&id)) {
                    drop(asked.send(args));
                }
            }
        }
    }

    /// Answers an event if the test has said how, else keeps it for the test.
    pub(crate) fn handle_event(&self, inbox: &Inbox, event: Received) {
        let answerer = event
            .id
            .and_then(|id| Some((id, inbox.with(|state| state.answerers.get(&event.name).cloned())?)));
        match answerer {
            None => inbox.change(|state| state.events.push_back(event)),
            Some((id, answerer)) => {
                // Its assertions must not end the reader, where nobody would notice.
                let answer = catch_unwind(AssertUnwindSafe(|| (*answerer.0.lock())(self, id, &event.args)));
                match answer.unwrap_or_else(|panic| Err(panic_message(&*panic))) {
                    Ok(packet) => self.send(&packet),
                    Err(fault) => inbox.report(format!("the event {event} was not answered: {fault}")),
                }
            }
        }
    }
}

/// The server's format without the server's bounds on what it receives and sends: a stock client has none.
fn as_client(parser: &Parser) -> Parser {
    let limits = Limits::default()
        .with_max_attachments_in(usize::MAX)
        .with_max_attachments_out(usize::MAX)
        .with_max_attachment_bytes_total(usize::MAX);
    // A format of somebody's own has bounds of its own.
    parser.clone().with_limits(limits).unwrap_or_else(|| parser.clone())
}

/// Reads arguments, or says in words why they can't be read.
pub(crate) fn read<T: serde::de::DeserializeOwned>(args: &Args) -> Result<T, String> {
    args.get().map_err(|error| {
        let expected = std::any::type_name::<T>();
        format!("{} does not fit {expected}: {}", show::args(args), chain(&error))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").to_owned()
}

/// What the server answers a CONNECT with.
#[derive(serde::Deserialize)]
struct Welcome {
    sid: String,
}
