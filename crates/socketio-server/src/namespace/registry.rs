//! All namespaces of a server, and how a name leads to one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use hashbrown::HashMap;
use tokio::sync::OnceCell;

use crate::Namespace;
use crate::config::Shared;
use crate::event::run::Caught;
use crate::namespace::{Child, Family, NamespaceInner, Params, Pattern, Role, Rule, Stay};
use crate::server::ServerInner;
use crate::sync::Mutex;

/// The namespaces of a server.
pub(crate) struct Registry {
    server: Weak<ServerInner>,
    shared: Arc<Shared>,
    root: Namespace,
    names: RwLock<Names>,
    /// In the order in which they are tried.
    parents: RwLock<Vec<Arc<NamespaceInner>>>,
    hooks: RwLock<Vec<Arc<Hook>>>,
    /// Names about which predicates are being asked.
    asked: Mutex<HashMap<Arc<str>, Arc<Answer>>>,
}

/// What predicates say of a name, once they have.
type Answer = OnceCell<Option<Match>>;

#[derive(Default)]
struct Names {
    by_name: HashMap<Box<str>, Namespace>,
    /// How many of them came into being by a parent.
    n_dynamic: usize,
}

/// Hears of new namespaces.
pub(crate) type Hook = dyn Fn(&Namespace) + Send + Sync;

/// What a name leads to.
pub(crate) enum LookedUp {
    Found(Arc<NamespaceInner>, Stay),
    Unknown,
    /// There are as many dynamic namespaces as there may be.
    Full,
    /// Predicates must be asked: see [`Registry::ask`].
    Ask,
}

/// By which parent a name is a namespace.
#[derive(Clone)]
struct Match {
    parent: Arc<NamespaceInner>,
    params: Params,
}

impl Registry {
    pub(crate) fn new(server: Weak<ServerInner>, shared: Arc<Shared>) -> Self {
        let root = NamespaceInner::new("/", Weak::clone(&server), Arc::clone(&shared), Role::Single);
        Self {
            server,
            shared,
            root: Namespace::from_inner(&root),
            names: RwLock::default(),
            parents: RwLock::default(),
            hooks: RwLock::default(),
            asked: Mutex::new(HashMap::default()),
        }
    }

    pub(crate) fn root(&self) -> &Namespace {
        &self.root
    }

    /// All namespaces but parents, which have no sockets.
    pub(crate) fn all(&self) -> Vec<Namespace> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.root).chain(names.by_name.values()).cloned().collect()
    }

    pub(crate) fn add_hook(&self, hook: Arc<Hook>) {
        self.hooks.write().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    pub(crate) fn add_parent(&self, rule: Rule) -> Namespace {
        let mut parents = self.parents.write().unwrap_or_else(PoisonError::into_inner);
        let name = format!("/_{}", parents.len());
        let role = Role::Parent(Family::new(rule));
        let parent = NamespaceInner::new(&name, Weak::clone(&self.server), Arc::clone(&self.shared), role);
        parents.push(Arc::clone(&parent));
        Namespace::from_inner(&parent)
    }

    /// The namespace of this full name, which is made if there is none, and which the application may hold on to. If a
    /// pattern matches the name, it is a child of that.
    pub(crate) fn of(&self, name: &str) -> Namespace {
        let known = self.names.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned();
        // What a child is kept for is decided under the lock that it would go under.
        if let Some(known) = known.filter(|known| !is_child(known)) {
            return known;
        }
        let matched = self.match_patterns(name);
        let (namespace, is_new) = {
            let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
            match names.by_name.get(name) {
                Some(known) => (known.clone(), false),
                None => {
                    let new = match &matched {
                        Some(matched) => matched.child(name, true),
                        None => {
                            let (server, shared) = (Weak::clone(&self.server), Arc::clone(&self.shared));
                            NamespaceInner::new(name, server, shared, Role::Single)
                        }
                    };
                    let new = Namespace::from_inner(&new);
                    names.insert(&new);
                    (new, true)
                }
            }
        };
        if let Role::Child(child) = namespace.inner().role() {
            child.keep();
        }
        if is_new {
            self.welcome(&namespace);
        }
        namespace
    }

    /// What a client's name leads to, without waiting.
    pub(crate) fn look_up(&self, name: &str) -> LookedUp {
        if let Some((namespace, stay)) = self.find(name) {
            return LookedUp::Found(namespace, stay);
        }
        for parent in self.parents() {
            // A predicate must be asked before the patterns behind it are tried.
            let Some(pattern) = pattern_of(&parent) else { return LookedUp::Ask };
            if let Some(params) = pattern.matches(name) {
                return self.bring_about(name, &Match { parent, params });
            }
        }
        LookedUp::Unknown
    }

    /// What a client's name leads to, by patterns and predicates in their order.
    pub(crate) async fn ask(&self, name: &str) -> LookedUp {
        let asked = Arc::clone(self.asked.lock().entry_ref(name).or_default());
        let name: Arc<str> = name.into();
        let matched = asked.get_or_init(|| self.ask_parents(&name)).await.clone();
        {
            let mut all = self.asked.lock();
            if all.get(&name).is_some_and(|cell| Arc::ptr_eq(cell, &asked)) {
                all.remove(&name);
            }
        }
        match matched {
            Some(matched) => self.bring_about(&name, &matched),
            None => LookedUp::Unknown,
        }
    }

    /// Removes a namespace if `decide`, asked while nobody can look for it, says so; returns what it said.
    pub(crate) fn remove_if(&self, name: &str, decide: impl FnOnce() -> bool) -> bool {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let removed = decide().then(|| names.remove(name));
        drop(names);
        removed.is_some()
    }

    fn parents(&self) -> Vec<Arc<NamespaceInner>> {
        self.parents.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A namespace that exists, and stays for this client.
    fn find(&self, name: &str) -> Option<(Arc<NamespaceInner>, Stay)> {
        if name == "/" {
            return Stay::begin(self.root.inner()).map(|stay| (Arc::clone(self.root.inner()), stay));
        }
        let namespace = {
            let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(names.by_name.get(name)?.inner())
        };
        // It may be going at this moment.
        Stay::begin(&namespace).map(|stay| (namespace, stay))
    }

    fn match_patterns(&self, name: &str) -> Option<Match> {
        self.parents().into_iter().find_map(|parent| {
            let params = pattern_of(&parent)?.matches(name)?;
            Some(Match { parent, params })
        })
    }

    async fn ask_parents(&self, name: &Arc<str>) -> Option<Match> {
        let asking = async {
            for parent in self.parents() {
                let Role::Parent(family) = parent.role() else { continue };
                let params = match &family.rule {
                    Rule::Pattern(pattern) => pattern.matches(name),
                    Rule::Predicate(predicate) => match Caught::new(|| predicate(Arc::clone(name))).await {
                        Ok(is_there) => is_there.then(Params::default),
                        Err(panicked) => {
                            tracing::error!(target: "socket.io:parent-namespace", ?panicked, "a predicate panicked");
                            None
                        }
                    },
                };
                if let Some(params) = params {
                    return Some(Match { parent, params });
                }
            }
            None
        };
        let timeout = self.shared.config.middleware_timeout;
        tokio::time::timeout(timeout, asking).await.unwrap_or_else(|_| {
            tracing::warn!(target: "socket.io:parent-namespace", ?timeout, "a predicate timed out");
            None
        })
    }

    /// The namespace of this name, which comes into being by its parent if it is not there.
    fn bring_about(&self, name: &str, matched: &Match) -> LookedUp {
        loop {
            if let Some((namespace, stay)) = self.find(name) {
                return LookedUp::Found(namespace, stay);
            }
            let new = {
                let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
                if names.by_name.contains_key(name) {
                    continue;
                }
                let max = self.shared.config.max_dynamic_namespaces;
                if names.n_dynamic >= max {
                    tracing::warn!(target: "socket.io:parent-namespace", max, "no more dynamic namespaces");
                    return LookedUp::Full;
                }
                let is_kept = !self.shared.config.cleanup_empty_child_namespaces;
                let new = matched.child(name, is_kept);
                // Before anybody can find it, or it could go before its first client is in.
                let stay = Stay::begin(&new);
                names.insert(&Namespace::from_inner(&new));
                stay.map(|stay| (new, stay))
            };
            if let Some((new, stay)) = new {
                self.welcome(&Namespace::from_inner(&new));
                return LookedUp::Found(new, stay);
            }
        }
    }

    /// Tells the hooks of a new namespace, and lets its adapter connect.
    fn welcome(&self, namespace: &Namespace) {
        let hooks = self.hooks.read().unwrap_or_else(PoisonError::into_inner).clone();
        for hook in hooks {
            if catch_unwind(AssertUnwindSafe(|| hook(namespace))).is_err() {
                tracing::error!(target: "socket.io:server", namespace = namespace.name(), "the hook for new namespaces panicked");
            }
        }
        namespace.inner().start();
    }
}

impl Match {
    fn child(&self, name: &str, is_kept: bool) -> Arc<NamespaceInner> {
        let Role::Parent(family) = self.parent.role() else { return Arc::clone(&self.parent) };
        family.with_children(|children| {
            let child = Child::new(&self.parent, self.params.clone(), is_kept);
            let child = NamespaceInner::new_child(name, &self.parent, child);
            children.insert(name.into(), Arc::clone(&child));
            child
        })
    }
}

impl Names {
    fn insert(&mut self, namespace: &Namespace) {
        self.n_dynamic += usize::from(is_child(namespace));
        self.by_name.insert(namespace.name().into(), namespace.clone());
    }

    fn remove(&mut self, name: &str) -> Option<Namespace> {
        let removed = self.by_name.remove(name)?;
        self.n_dynamic -= usize::from(is_child(&removed));
        Some(removed)
    }
}

/// The pattern of a parent, unless it has a predicate.
fn pattern_of(parent: &NamespaceInner) -> Option<&Pattern> {
    match parent.role() {
        Role::Parent(Family { rule: Rule::Pattern(pattern), .. }) => Some(pattern),
        _ => None,
    }
}

fn is_child(namespace: &Namespace) -> bool {
    matches!(namespace.inner().role(), Role::Child(_))
}
