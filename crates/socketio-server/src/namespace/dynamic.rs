//! Namespaces that come into being when a client asks for them, and go when the last client has left.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use hashbrown::HashMap;

use crate::event::BoxFuture;
use crate::namespace::NamespaceInner;
use crate::namespace::pattern::Pattern;
use crate::sync::Mutex;

/// What a namespace is to others.
pub(crate) enum Role {
    /// Nothing: the application has made it.
    Single,
    /// It lends what is registered on it to its children, and has no sockets of its own.
    Parent(Family),
    Child(Child),
}

/// What makes a parent of a namespace.
pub(crate) struct Family {
    pub(crate) rule: Rule,
    children: Mutex<HashMap<Box<str>, Arc<NamespaceInner>>>,
}

/// Which names are a parent's.
pub(crate) enum Rule {
    Pattern(Pattern),
    Predicate(Box<Predicate>),
}

/// Says whether there is a namespace of this name.
pub(crate) type Predicate = dyn Fn(Arc<str>) -> BoxFuture<bool> + Send + Sync;

impl Family {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, children: Mutex::new(HashMap::default()) }
    }

    /// Runs `work` while no child comes or goes.
    pub(crate) fn with_children<R>(
        &self,
        work: impl FnOnce(&mut HashMap<Box<str>, Arc<NamespaceInner>>) -> R,
    ) -> R {
        work(&mut self.children.lock())
    }

    pub(crate) fn children(&self) -> Vec<Arc<NamespaceInner>> {
        self.children.lock().values().cloned().collect()
    }
}

/// What a namespace knows that came into being by a parent.
pub(crate) struct Child {
    parent: Weak<NamespaceInner>,
    params: Params,
    /// The application holds it, or wants no namespace to go.
    is_kept: AtomicBool,
    occupancy: Mutex<Occupancy>,
}

/// The parts of a name that stand for a pattern's parameters, by name.
pub(crate) type Params = Box<[(Box<str>, Box<str>)]>;

#[derive(Default)]
struct Occupancy {
    /// Clients that are in, or are being decided about.
    n_stays: usize,
    /// It is gone from the server's table: a client that asks for the name gets a new one.
    is_retired: bool,
}

impl Child {
    pub(crate) fn new(parent: &Arc<NamespaceInner>, params: Params, is_kept: bool) -> Self {
        Self {
            parent: Arc::downgrade(parent),
            params,
            is_kept: AtomicBool::new(is_kept),
            occupancy: Mutex::new(Occupancy::default()),
        }
    }

    pub(crate) fn parent(&self) -> Option<Arc<NamespaceInner>> {
        self.parent.upgrade()
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    pub(crate) fn keep(&self) {
        self.is_kept.store(true, Ordering::Release);
    }

    /// Whether it goes now, for good. The server's table must be locked.
    pub(crate) fn retire(&self) -> bool {
        let mut occupancy = self.occupancy.lock();
        let retires =
            occupancy.n_stays == 0 && !occupancy.is_retired && !self.is_kept.load(Ordering::Acquire);
        occupancy.is_retired |= retires;
        retires
    }
}

/// Keeps a namespace from going while a client is in it, or is being decided about.
pub(crate) struct Stay(Option<Arc<NamespaceInner>>);

impl Stay {
    /// `None` if the namespace is gone already.
    pub(crate) fn begin(namespace: &Arc<NamespaceInner>) -> Option<Self> {
        let Role::Child(child) = namespace.role() else { return Some(Self(None)) };
        let mut occupancy = child.occupancy.lock();
        if occupancy.is_retired {
            return None;
        }
        occupancy.n_stays += 1;
        Some(Self(Some(Arc::clone(namespace))))
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let Some(namespace) = self.0.take() else { return };
        let Role::Child(child) = namespace.role() else { return };
        let is_empty = {
            let mut occupancy = child.occupancy.lock();
            occupancy.n_stays -= 1;
            occupancy.n_stays == 0
        };
        if is_empty {
            namespace.retire();
        }
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stay")
    }
}
