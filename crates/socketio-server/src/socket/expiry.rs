//! A socket's stay can be limited: it leaves when its time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadlines::{Deadlines, Key, Timed};
use crate::socket::SocketInner;

/// Until when a socket may stay. Most may for ever, which costs one word.
#[derive(Default)]
pub(crate) struct Expiry(Option<Box<Due>>);

enum Due {
    At(Key),
    /// The time was over before the socket had entered its namespace.
    Past,
}

impl Expiry {
    pub(crate) fn is_past(&self) -> bool {
        matches!(self.0.as_deref(), Some(Due::Past))
    }

    /// The deadline with this key has come; says whether it is the one that counts.
    pub(crate) fn passes(&mut self, key: Key) -> bool {
        let counts = matches!(self.0.as_deref(), Some(Due::At(due)) if *due == key);
        if counts {
            self.0 = Some(Box::new(Due::Past));
        }
        counts
    }

    fn set(&mut self, socket: &Arc<SocketInner>, due: Option<Instant>) {
        self.clear(&socket.shared().expirations);
        self.0 = due.map(|due| {
            let (runtime, target) = (socket.client().runtime(), Arc::downgrade(socket));
            Box::new(Due::At(socket.shared().expirations.insert(runtime, due, target)))
        });
    }

    /// There is nothing to wait for any more.
    pub(crate) fn clear(&mut self, deadlines: &Deadlines<SocketInner>) {
        if let Some(Due::At(key)) = self.0.take().map(|due| *due) {
            deadlines.remove(key);
        }
    }
}

impl SocketInner {
    /// The client leaves after this time; what was said before does not count any more.
    pub(crate) fn disconnect_after(self: &Arc<Self>, duration: Duration) {
        let due = tokio::time::Instant::now().into_std().checked_add(duration);
        self.with_expiry(|expiry| expiry.set(self, due));
    }
}

impl Timed for SocketInner {
    fn handle_timeout(self: Arc<Self>, key: Key, _now: Instant) {
        if self.with_expiry(|expiry| expiry.passes(key)) == Some(true) {
            self.expire();
        }
    }
}
