//! The house locks: a panic elsewhere does not spoil them.

use std::fmt;
use std::sync::{MutexGuard, PoisonError};

/// A [`std::sync::Mutex`] without poisoning: its critical sections are short and never run user code, so what it
/// guards is consistent whatever a handler did.
#[derive(Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}
