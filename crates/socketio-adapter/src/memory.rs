//! The adapter of a server that stands alone.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Adapter, AdapterFactory, BroadcastOptions, FetchedIds, LocalNode};

/// The adapter of a server that stands alone: every operation concerns this node and no other.
///
/// It costs one pointer and owns no task.
pub struct InMemoryAdapter {
    node: Arc<dyn LocalNode>,
}

/// Makes an [`InMemoryAdapter`] for each namespace.
#[derive(Debug, Clone, Copy, Default)]
pub struct InMemoryAdapterFactory;

impl InMemoryAdapter {
    /// The adapter of this namespace.
    #[must_use]
    pub fn new(node: Arc<dyn LocalNode>) -> Self {
        Self { node }
    }
}

#[async_trait]
impl Adapter for InMemoryAdapter {
    fn node(&self) -> &dyn LocalNode {
        &*self.node
    }

    fn reads_args(&self) -> bool {
        false
    }

    async fn socket_ids(&self, options: &BroadcastOptions) -> FetchedIds {
        FetchedIds::new(self.node.socket_ids(options))
    }
}

impl fmt::Debug for InMemoryAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryAdapter").field("namespace", &self.node.namespace()).finish()
    }
}

impl AdapterFactory for InMemoryAdapterFactory {
    fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        Arc::new(InMemoryAdapter::new(node))
    }
}
