//! What the application keeps with a socket.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// One value per type, set once, read without a lock.
///
/// A reader follows a chain that only ever grows at its end. Something that changes goes in as a type that can:
/// an atomic, a mutex, a channel.
///
/// ```
/// # fn demo(socket: socketio_server::Socket) {
/// struct User { name: String }
///
/// let fresh = socket.data().set(User { name: "ada".into() });
/// assert!(fresh.is_ok());
/// let user = socket.data().get::<User>();
/// assert_eq!(user.map(|user| user.name.clone()), Some("ada".into()));
/// # }
/// ```
///
/// Memory: 24 bytes for a socket without data, about 64 bytes and the value for each type.
#[derive(Default)]
pub struct SocketData {
    head: OnceLock<Box<Node>>,
}

struct Node {
    type_id: TypeId,
    value: Arc<dyn Any + Send + Sync>,
    next: OnceLock<Box<Self>>,
}

impl SocketData {
    /// The value of this type, if one was set.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let mut link = &self.head;
        while let Some(node) = link.get() {
            if node.type_id == TypeId::of::<T>() {
                return Arc::clone(&node.value).downcast().ok();
            }
            link = &node.next;
        }
        None
    }

    /// Sets the value of this type.
    ///
    /// # Errors
    ///
    /// Hands the value back if one of its type is there already.
    pub fn set<T: Send + Sync + 'static>(&self, value: T) -> Result<(), T> {
        let value = Arc::new(value);
        let (stored, _) = self.insert(Arc::clone(&value));
        if stored {
            return Ok(());
        }
        match Arc::try_unwrap(value) {
            Ok(value) => Err(value),
            // The chain keeps a clone only of what it stored.
            Err(_) => Ok(()),
        }
    }

    /// The value of this type; the first caller's `init` makes it.
    pub fn get_or_init<T: Send + Sync + 'static>(&self, init: impl FnOnce() -> T) -> Arc<T> {
        match self.get() {
            Some(value) => value,
            None => self.insert(Arc::new(init())).1,
        }
    }

    /// Appends unless the type is there; returns whether it was appended, and what is there now.
    fn insert<T: Send + Sync + 'static>(&self, value: Arc<T>) -> (bool, Arc<T>) {
        let type_id = TypeId::of::<T>();
        let erased: Arc<dyn Any + Send + Sync> = Arc::clone(&value) as _;
        let mut fresh = Some(Box::new(Node { type_id, value: erased, next: OnceLock::new() }));
        let mut link = &self.head;
        loop {
            let node = link.get_or_init(|| {
                // `get_or_init` runs this at most once per link, and `fresh` is used up by the link that stays.
                fresh.take().unwrap_or_else(|| {
                    Box::new(Node { type_id, value: Arc::clone(&value) as _, next: OnceLock::new() })
                })
            });
            if node.type_id == type_id {
                let stored = fresh.is_none();
                let there = Arc::clone(&node.value).downcast().unwrap_or(value);
                return (stored, there);
            }
            link = &node.next;
        }
    }
}

impl fmt::Debug for SocketData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocketData")
    }
}

impl Drop for SocketData {
    fn drop(&mut self) {
        // A chain dropped node by node can't overflow the stack.
        let mut next = self.head.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_slot_per_type() {
        let data = SocketData::default();
        assert!(data.get::<u32>().is_none());
        assert_eq!(data.set(1_u32), Ok(()));
        assert_eq!(data.set("text"), Ok(()));
        assert_eq!(data.set(2_u32), Err(2));
        assert_eq!((data.get::<u32>().as_deref(), data.get::<&str>().as_deref()), (Some(&1), Some(&"text")));
        assert_eq!(*data.get_or_init(|| 9_u32), 1);
        assert_eq!(*data.get_or_init(|| 9_u64), 9);
    }

    #[test]
    fn racing_writers_agree_on_one_value() {
        for _ in 0..100 {
            let data = SocketData::default();
            let stored = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for n in 0..4_usize {
                    let (data, stored) = (&data, &stored);
                    scope.spawn(move || {
                        if data.set(n).is_ok() {
                            stored.fetch_add(1, Ordering::Relaxed);
                        }
                        let _ = data.set(n.to_string());
                    });
                }
            });
            assert_eq!(stored.load(Ordering::Relaxed), 1);
            assert!(data.get::<usize>().is_some() && data.get::<String>().is_some());
        }
    }
}
