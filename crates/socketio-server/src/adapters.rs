//! Which adapters a server's namespaces get.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use socketio_adapter::{Adapter, AdapterFactory, LocalNode};

use crate::error::AdapterFixed;
use crate::sync::Mutex;

/// Makes adapters. Of which kind can be changed until the first connection opens.
pub(crate) struct Adapters {
    factory: RwLock<Arc<dyn AdapterFactory>>,
    is_fixed: AtomicBool,
    /// Held while adapters are replaced, and when the first connection opens.
    replacing: Mutex<()>,
}

impl Adapters {
    pub(crate) fn new(factory: Arc<dyn AdapterFactory>) -> Self {
        Self { factory: RwLock::new(factory), is_fixed: AtomicBool::new(false), replacing: Mutex::new(()) }
    }

    pub(crate) fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        let factory = Arc::clone(&self.factory.read().unwrap_or_else(PoisonError::into_inner));
        factory.create(node)
    }

    /// A connection opens: from now on the adapters stay.
    pub(crate) fn fix(&self) {
        if !self.is_fixed.load(Ordering::Acquire) {
            let _replacing = self.replacing.lock();
            self.is_fixed.store(true, Ordering::Release);
        }
    }

    /// Makes adapters by `factory` from now on, if it is not too late; `replace` is to replace those there are.
    pub(crate) fn replace(
        &self,
        factory: impl AdapterFactory,
        replace: impl FnOnce(),
    ) -> Result<(), AdapterFixed> {
        let _replacing = self.replacing.lock();
        if self.is_fixed.load(Ordering::Acquire) {
            return Err(AdapterFixed);
        }
        *self.factory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(factory);
        replace();
        Ok(())
    }
}
