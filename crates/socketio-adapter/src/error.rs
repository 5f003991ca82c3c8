//! What can go wrong between this node and the others.

use std::error::Error;
use std::fmt;

/// An operation of an adapter failed, or reached this node only.
///
/// It is one pointer wide. What the engine said (a Redis error, an I/O error) is its [`source`](Error::source).
pub struct AdapterError(Box<Inner>);

struct Inner {
    kind: AdapterErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What an [`AdapterError`] means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AdapterErrorKind {
    /// The adapter was closed, or its server is gone.
    Closed,
    /// The log of missed events does not reach back far enough.
    Forgotten,
    /// The engine cannot be reached at the moment.
    LinkDown,
    /// What waits to be published has reached its limit; this message was not added.
    QueueFull,
    /// The message is larger than the engine accepts.
    TooLarge,
    /// The others did not answer in time.
    Timeout,
    /// This adapter cannot do what was asked.
    Unsupported,
    /// The engine refused or failed; the source says why.
    Engine,
}

impl AdapterError {
    /// An error of this kind, without a cause.
    #[must_use]
    pub fn new(kind: AdapterErrorKind) -> Self {
        Self(Box::new(Inner { kind, source: None }))
    }

    /// The engine failed with `source`.
    #[must_use]
    pub fn engine(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(AdapterErrorKind::Engine).with_source(source)
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the error means for the caller.
    #[must_use]
    pub fn kind(&self) -> AdapterErrorKind {
        self.0.kind
    }
}

impl From<AdapterErrorKind> for AdapterError {
    fn from(kind: AdapterErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind() {
            AdapterErrorKind::Closed => "the adapter is closed",
            AdapterErrorKind::Forgotten => "the log does not reach back far enough",
            AdapterErrorKind::LinkDown => "the engine of the adapter cannot be reached",
            AdapterErrorKind::QueueFull => "too much waits to be published",
            AdapterErrorKind::TooLarge => "the message is too large for the engine of the adapter",
            AdapterErrorKind::Timeout => "other nodes did not answer in time",
            AdapterErrorKind::Unsupported => "the adapter does not support this operation",
            AdapterErrorKind::Engine => "the engine of the adapter failed",
        })
    }
}

impl fmt::Debug for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterError").field("kind", &self.kind()).field("source", &self.0.source).finish()
    }
}

impl Error for AdapterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_the_source_and_not_part_of_the_text() {
        let error = AdapterError::engine("connection refused");
        assert_eq!(error.to_string(), "the engine of the adapter failed");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("connection refused"));
        assert_eq!(error.kind(), AdapterErrorKind::Engine);
    }
}
