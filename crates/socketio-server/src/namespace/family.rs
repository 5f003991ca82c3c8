//! Operations on a parent namespace, which are those of all its children.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use socketio_adapter::{
    AckSink, AckStream, Adapter, BroadcastOptions, Disconnect, Fetched, FetchedIds, JsonArgs, LocalNode,
    Outgoing, Receipt, Replies, Room,
};
use tokio::task::JoinSet;

use crate::namespace::{NamespaceInner, Role};

/// The adapter of a parent: it hands everything on to its children's.
pub(super) struct FamilyAdapter {
    pub(super) node: Arc<dyn LocalNode>,
    pub(super) parent: Weak<NamespaceInner>,
}

impl FamilyAdapter {
    fn children(&self) -> Vec<Arc<NamespaceInner>> {
        match self.parent.upgrade().as_deref().map(NamespaceInner::role) {
            Some(Role::Parent(family)) => family.children(),
            _ => Vec::new(),
        }
    }

    fn each(&self, operate: impl Fn(&dyn Adapter) -> Receipt) -> Receipt {
        Receipt::all(self.children().iter().map(|child| operate(&*child.adapter())))
    }

    /// Asks all children at the same time.
    fn ask<T, F, Fut>(&self, ask: F) -> JoinSet<T>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn Adapter>) -> Fut,
        Fut: Future<Output = T> + Send + 'static,
    {
        self.children().iter().map(|child| ask(child.adapter())).collect()
    }
}

#[async_trait]
impl Adapter for FamilyAdapter {
    fn node(&self) -> &dyn LocalNode {
        &*self.node
    }

    fn broadcast(&self, packet: &Outgoing, options: &BroadcastOptions) -> Receipt {
        // Each namespace's packets bear its name.
        let args = packet.to_args();
        self.each(|adapter| adapter.broadcast(&Outgoing::from_args(args.clone()), options))
    }

    fn broadcast_with_ack(&self, packet: &Outgoing, options: &BroadcastOptions) -> AckStream {
        let args = packet.to_args();
        let (sink, stream) = AckStream::channel();
        for child in self.children() {
            let acks = child.adapter().broadcast_with_ack(&Outgoing::from_args(args.clone()), options);
            child.spawn(forward(acks, sink.clone()));
        }
        stream
    }

    fn sockets_join(&self, options: &BroadcastOptions, rooms: &[Room]) -> Receipt {
        self.each(|adapter| adapter.sockets_join(options, rooms))
    }

    fn sockets_leave(&self, options: &BroadcastOptions, rooms: &[Room]) -> Receipt {
        self.each(|adapter| adapter.sockets_leave(options, rooms))
    }

    fn disconnect_sockets(&self, options: &BroadcastOptions, how: Disconnect) -> Receipt {
        self.each(|adapter| adapter.disconnect_sockets(options, how))
    }

    async fn fetch_sockets(&self, options: &BroadcastOptions) -> Fetched {
        let options = options.clone();
        let asked = self.ask(|adapter| {
            let options = options.clone();
            async move { adapter.fetch_sockets(&options).await }
        });
        let mut all = Fetched::default();
        for fetched in asked.join_all().await {
            all.sockets.extend(fetched.sockets);
            all.missing.merge(fetched.missing);
            all.error = all.error.or(fetched.error);
        }
        all
    }

    async fn socket_ids(&self, options: &BroadcastOptions) -> FetchedIds {
        let options = options.clone();
        let asked = self.ask(|adapter| {
            let options = options.clone();
            async move { adapter.socket_ids(&options).await }
        });
        let mut all = FetchedIds::default();
        for fetched in asked.join_all().await {
            all.ids.extend(fetched.ids);
            all.missing.merge(fetched.missing);
            all.error = all.error.or(fetched.error);
        }
        all
    }

    fn server_side_emit(&self, event: &JsonArgs) -> Receipt {
        self.each(|adapter| adapter.server_side_emit(event))
    }

    async fn server_side_emit_with_ack(&self, event: &JsonArgs, timeout: Duration) -> Replies {
        let event = event.clone();
        let asked = self.ask(|adapter| {
            let event = event.clone();
            async move { adapter.server_side_emit_with_ack(&event, timeout).await }
        });
        let mut all = Replies::default();
        for replies in asked.join_all().await {
            all.replies.extend(replies.replies);
            all.missing.merge(replies.missing);
            all.error = all.error.or(replies.error);
        }
        all
    }
}

/// Hands the answers of one child's clients on, until nobody wants them any more.
async fn forward(mut acks: AckStream, sink: AckSink) {
    let closed = sink.closed();
    let answers = async {
        while let Some(ack) = acks.next().await {
            sink.asked(ack.socket).resolve(ack.result);
        }
        let missing = acks.missing();
        missing.nodes.into_iter().for_each(|node| sink.missing(node));
        sink.missing_unnamed(missing.n_unnamed);
        if let Some(error) = acks.take_error() {
            sink.error(error);
        }
    };
    tokio::select! {
        () = answers => {}
        () = closed => {}
    }
}
