//! A namespace's adapter: how it comes, connects, is replaced and goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use socketio_adapter::{Adapter, AdapterError, DEFAULT_REQUEST_TIMEOUT};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::event::BoxFuture;
use crate::event::run::Caught;
use crate::namespace::dynamic::Role;
use crate::namespace::family::FamilyAdapter;
use crate::namespace::inner::NamespaceInner;
use crate::namespace::node::Node;

/// Where a namespace keeps its adapter, which is made when it is first needed.
#[derive(Default)]
pub(super) struct AdapterSlot {
    current: RwLock<Option<Arc<dyn Adapter>>>,
    is_init_started: AtomicBool,
    /// What came of letting it connect, once that is known.
    connected: watch::Sender<Option<Connected>>,
}

/// What came of letting an adapter connect.
type Connected = Result<(), Arc<AdapterError>>;

impl AdapterSlot {
    fn get(&self) -> Option<Arc<dyn Adapter>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get_or_init(&self, make: impl FnOnce() -> Arc<dyn Adapter>) -> Arc<dyn Adapter> {
        self.get().unwrap_or_else(|| {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(current.get_or_insert_with(make))
        })
    }

    fn take(&self) -> Option<Arc<dyn Adapter>> {
        self.current.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn holds(&self, adapter: &Arc<dyn Adapter>) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|current| Arc::ptr_eq(current, adapter))
    }
}

impl NamespaceInner {
    /// Lets the adapter connect, if there is a runtime; without one it has to wait for the first client.
    ///
    /// Not at the first use: a cluster adapter hears of the others as soon as the namespace exists.
    pub(crate) fn start(self: &Arc<Self>) {
        if let Ok(runtime) = Handle::try_current() {
            self.start_adapter(&runtime);
        }
    }

    /// Lets the adapter connect again that was closed with the server.
    pub(crate) fn restart(self: &Arc<Self>) {
        self.adapter.connected.send_replace(None);
        self.adapter.is_init_started.store(false, Ordering::Release);
        self.start();
    }

    pub(crate) async fn close_adapter(&self) {
        if let Some(adapter) = self.adapter.get() {
            self.close(&*adapter).await;
        }
    }

    async fn close(&self, adapter: &dyn Adapter) {
        if let Err(error) = adapter.close().await {
            tracing::warn!(target: "socket.io:namespace", namespace = self.name(), %error, "adapter not closed in order");
        }
    }

    /// The server makes its adapters in another way from now on.
    pub(crate) fn replace_adapter(self: &Arc<Self>) {
        let Some(before) = self.adapter.take() else { return };
        self.restart();
        if let Ok(runtime) = Handle::try_current() {
            let namespace = Arc::clone(self);
            self.shared().tasks.spawn(&runtime, async move { namespace.close(&*before).await });
        }
    }

    pub(crate) fn adapter(self: &Arc<Self>) -> Arc<dyn Adapter> {
        self.adapter.get_or_init(|| self.make_adapter())
    }

    fn make_adapter(self: &Arc<Self>) -> Arc<dyn Adapter> {
        let parent = Arc::downgrade(self);
        let node = Arc::new(Node { name: self.name().into(), namespace: Weak::clone(&parent) });
        if let Role::Parent(_) = self.role() {
            return Arc::new(FamilyAdapter { node, parent });
        }
        let adapter = self.shared().adapters.create(node);
        if self.shared().config.recovery.is_some() && !adapter.supports_recovery() {
            tracing::error!(target: "socket.io:namespace", namespace = self.name(), "this adapter cannot keep sessions: clients that lose their connection do not recover");
        }
        adapter
    }

    /// Waits until the adapter has connected, for a limited time: this node can do without the others.
    pub(crate) async fn initialize(self: &Arc<Self>) {
        if self.adapter.connected.borrow().is_some() {
            return;
        }
        if tokio::time::timeout(DEFAULT_REQUEST_TIMEOUT, self.ready()).await.is_err() {
            tracing::warn!(target: "socket.io:namespace", namespace = self.name(), "a client joins before the adapter has connected");
        }
    }

    /// Waits until the adapter has connected, or has failed to.
    pub(crate) async fn ready(self: &Arc<Self>) -> Result<(), Arc<AdapterError>> {
        if let Role::Parent(family) = self.role() {
            for child in family.children() {
                Box::pin(child.ready()).await?;
            }
            return Ok(());
        }
        self.start_adapter(&Handle::current());
        let mut connected = self.adapter.connected.subscribe();
        // The sender is in here, so waiting cannot fail.
        let result = connected.wait_for(Option::is_some).await.map(|result| result.clone());
        result.ok().flatten().unwrap_or(Ok(()))
    }

    /// Lets the adapter connect, once.
    fn start_adapter(self: &Arc<Self>, runtime: &Handle) {
        if self.adapter.is_init_started.swap(true, Ordering::AcqRel) {
            return;
        }
        let namespace = Arc::clone(self);
        let mut connecting = Caught::new(|| Box::pin(async move { namespace.connect_adapter().await }));
        if connecting.poll_in_place().is_pending() {
            self.shared().tasks.spawn(runtime, async move { drop(connecting.await) });
        }
    }

    async fn connect_adapter(self: &Arc<Self>) {
        let adapter = self.adapter();
        let initialized = Arc::clone(&adapter);
        let init = || Box::pin(async move { initialized.init().await }) as BoxFuture<_>;
        let connected = match Caught::new(init).await {
            Ok(connected) => connected,
            Err(panicked) => Err(AdapterError::engine(format!("the adapter panicked: {panicked:?}"))),
        };
        if let Err(error) = &connected {
            tracing::error!(target: "socket.io:namespace", namespace = self.name(), %error, "adapter not connected: this node is on its own");
        }
        // It may have been replaced meanwhile.
        if self.adapter.holds(&adapter) {
            self.adapter.connected.send_replace(Some(connected.map_err(Arc::new)));
        }
    }
}
