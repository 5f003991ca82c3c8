//! All sessions of an engine by their id.

use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};
use tokio::sync::Notify;

use crate::sync::Mutex;
use crate::{Session, SessionId};

/// A map in shards, so that connects and requests on different threads seldom meet. Its hasher has a random seed.
pub(crate) struct Registry {
    hasher: DefaultHashBuilder,
    shards: [Mutex<HashMap<SessionId, Session>>; N_SHARDS],
    removed: Notify,
}

const N_SHARDS: usize = 32;

impl Registry {
    pub(crate) fn new() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::default())),
            removed: Notify::new(),
        }
    }

    pub(crate) fn insert(&self, session: Session) {
        let id = session.id().clone();
        self.shard(id.as_str()).lock().insert(id, session);
    }

    pub(crate) fn get(&self, id: &str) -> Option<Session> {
        self.shard(id).lock().get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &SessionId) {
        let removed = self.shard(id.as_str()).lock().remove(id);
        // The session is dropped here, outside of the lock: user code may run then.
        if removed.is_some() {
            self.removed.notify_waiters();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    pub(crate) fn all(&self) -> Vec<Session> {
        self.shards.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Waits until no session is left.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again.
    pub(crate) async fn emptied(&self) {
        loop {
            let removed = self.removed.notified();
            tokio::pin!(removed);
            removed.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            removed.await;
        }
    }

    fn shard(&self, id: &str) -> &Mutex<HashMap<SessionId, Session>> {
        let hash = usize::try_from(self.hasher.hash_one(id) >> 32).unwrap_or_default();
        &self.shards[hash % N_SHARDS]
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("n_sessions", &self.len()).finish()
    }
}
