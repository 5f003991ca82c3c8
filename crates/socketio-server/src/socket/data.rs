//! What the application keeps with a socket.

use std::any::{Any, TypeId};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

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
    shared: Option<Box<Shared>>,
    next: OnceLock<Box<Self>>,
}

/// How a value is shown to others.
#[derive(Clone)]
struct Shared {
    key: Box<str>,
    to_json: fn(&(dyn Any + Send + Sync)) -> Option<String>,
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
        self.set_as(value, None)
    }

    /// Sets the value of this type, and shows it under this key to whoever
    /// [fetches](crate::Broadcast::fetch_sockets) the socket, on this node or another: it is a member of the object that
    /// [`RemoteSocket::data`](crate::RemoteSocket::data) reads, and of `data` on a Node server.
    ///
    /// It is serialized each time that the socket is fetched, so that what changes in it is seen by the next one. A value
    /// that has no form in JSON is left out, and the log says so. Of two values with the same key the first is shown.
    ///
    /// ```
    /// #[derive(serde::Serialize)]
    /// struct User { name: String }
    ///
    /// # fn demo(socket: socketio_server::Socket) {
    /// let fresh = socket.data().set_shared("user", User { name: "ada".into() });
    /// assert!(fresh.is_ok());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Hands the value back if one of its type is there already.
    pub fn set_shared<T>(&self, key: &str, value: T) -> Result<(), T>
    where
        T: Serialize + Send + Sync + 'static,
    {
        self.set_as(value, Some(Box::new(Shared { key: key.into(), to_json: to_json::<T> })))
    }

    /// The same values for another socket, which goes on from here.
    pub(crate) fn duplicate(&self) -> Self {
        let copy = Self::default();
        let (mut from, mut to) = (&self.head, &copy.head);
        while let Some(node) = from.get() {
            let (value, shared) = (Arc::clone(&node.value), node.shared.clone());
            let next = OnceLock::new();
            to = &to.get_or_init(|| Box::new(Node { type_id: node.type_id, value, shared, next })).next;
            from = &node.next;
        }
        copy
    }

    /// What is shown to others, as the text of a JSON object.
    pub(crate) fn to_shared_json(&self) -> String {
        let mut members: Vec<(&str, String)> = Vec::new();
        let mut link = &self.head;
        while let Some(node) = link.get() {
            if let Some(Shared { key, to_json }) = node.shared.as_deref()
                && !members.iter().any(|(known, _)| *known == &**key)
            {
                // User code: others are not to pay for its panic.
                match catch_unwind(AssertUnwindSafe(|| to_json(&*node.value))) {
                    Ok(Some(json)) => members.push((key, json)),
                    _ => {
                        tracing::error!(target: "socket.io:socket", key, "data of a socket has no form in JSON")
                    }
                }
            }
            link = &node.next;
        }
        let mut object = String::from("{");
        for (idx, (key, json)) in members.into_iter().enumerate() {
            if idx > 0 {
                object.push(',');
            }
            object.push_str(&serde_json::Value::from(key).to_string());
            object.push(':');
            object.push_str(&json);
        }
        object.push('}');
        object
    }

    fn set_as<T: Send + Sync + 'static>(&self, value: T, shared: Option<Box<Shared>>) -> Result<(), T> {
        let value = Arc::new(value);
        let (stored, _) = self.insert(Arc::clone(&value), shared);
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
            None => self.insert(Arc::new(init()), None).1,
        }
    }

    /// Appends unless the type is there; returns whether it was appended, and what is there now.
    fn insert<T: Send + Sync + 'static>(&self, value: Arc<T>, shared: Option<Box<Shared>>) -> (bool, Arc<T>) {
        let type_id = TypeId::of::<T>();
        let erased: Arc<dyn Any + Send + Sync> = Arc::clone(&value) as _;
        let mut fresh = Some(Box::new(Node { type_id, value: erased, shared, next: OnceLock::new() }));
        let mut link = &self.head;
        loop {
            let node = link.get_or_init(|| {
                // `get_or_init` runs this at most once per link, and `fresh` is used up by the link that stays.
                fresh.take().unwrap_or_else(|| {
                    let next = OnceLock::new();
                    Box::new(Node { type_id, value: Arc::clone(&value) as _, shared: None, next })
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

fn to_json<T: Serialize + 'static>(value: &(dyn Any + Send + Sync)) -> Option<String> {
    serde_json::to_string(value.downcast_ref::<T>()?).ok()
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
    fn only_what_is_shared_is_shown() {
        struct Fails;
        impl Serialize for Fails {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                panic!("expected by this test")
            }
        }
        let data = SocketData::default();
        assert_eq!(data.to_shared_json(), "{}");
        assert_eq!(data.set("secret"), Ok(()));
        assert_eq!(data.set_shared("n", std::sync::Mutex::new(1)).map_err(drop), Ok(()));
        assert_eq!(data.set_shared("a\"b", [1_u8]), Ok(()));
        assert_eq!(data.set_shared("n", 7_u16), Ok(()), "another type, the same key");
        assert_eq!(data.set_shared("again", [2_u8]), Err([2]));
        assert!(data.set_shared("fails", Fails).is_ok());
        *data.get::<std::sync::Mutex<i32>>().unwrap().lock().unwrap() = 2;
        assert_eq!(data.to_shared_json(), r#"{"n":2,"a\"b":[1]}"#);
        assert_eq!(data.get::<[u8; 1]>().as_deref(), Some(&[1]));
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
