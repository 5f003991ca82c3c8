//! The house lock: a panic elsewhere, and tests panic, does not spoil it.

use std::sync::{MutexGuard, PoisonError};

/// A [`std::sync::Mutex`] without poisoning: its critical sections are short and never run user code.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
