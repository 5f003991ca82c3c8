//! Whether this node can talk to the others, and how many they are.

use std::time::Instant;

use tokio::sync::watch;

/// The state of an adapter's connection to its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// Connected, and never lost since the start.
    Up,
    /// Not connected: other nodes hear nothing, local delivery goes on.
    Down {
        /// Since when.
        since: Instant,
    },
    /// Connected again after a loss.
    Resumed {
        /// Whether messages of other nodes may have been missed meanwhile.
        gap: Gap,
    },
}

/// What was missed while the link was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gap {
    /// Nothing: the engine kept a log, and it was read to its end.
    None,
    /// Messages may be lost; applications that need them must ask for the current state.
    Possible,
}

/// How many servers form the cluster, this one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerCount {
    /// The members are known one by one.
    Known(usize),
    /// The engine gave a number that may count others too, or lag behind.
    Estimate(usize),
}

/// Follows the [`LinkState`] of an adapter.
#[derive(Debug, Clone)]
pub struct LinkStatus(watch::Receiver<LinkState>);

/// Where an adapter reports its [`LinkState`].
#[derive(Debug)]
pub struct LinkReporter(watch::Sender<LinkState>);

impl LinkState {
    /// Whether messages reach other nodes.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !matches!(self, Self::Down { .. })
    }
}

impl ServerCount {
    /// The number, known or estimated.
    #[must_use]
    pub fn get(self) -> usize {
        match self {
            Self::Known(n) | Self::Estimate(n) => n,
        }
    }
}

impl LinkStatus {
    /// A state that the reporter changes.
    #[must_use]
    pub fn channel(initial: LinkState) -> (LinkReporter, Self) {
        let (sender, receiver) = watch::channel(initial);
        (LinkReporter(sender), Self(receiver))
    }

    /// The state of an adapter without a link: up for ever.
    #[must_use]
    pub fn always_up() -> Self {
        Self::channel(LinkState::Up).1
    }

    /// The state at this moment.
    #[must_use]
    pub fn current(&self) -> LinkState {
        *self.0.borrow()
    }

    /// Waits for a state that was not seen by this value yet; `None` if it will not change any more.
    ///
    /// States that follow each other faster than they are waited for are skipped, the last one is always seen.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a state is seen only when it is returned.
    pub async fn changed(&mut self) -> Option<LinkState> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }
}

impl LinkReporter {
    /// Reports a state; followers hear of it if it differs from the last one.
    pub fn report(&self, state: LinkState) {
        self.0.send_if_modified(|last| std::mem::replace(last, state) != state);
    }

    /// Another follower of what is reported here.
    #[must_use]
    pub fn subscribe(&self) -> LinkStatus {
        LinkStatus(self.0.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_that_never_changes_says_so() {
        let mut status = LinkStatus::always_up();
        assert!(status.current().is_up());
        assert_eq!(status.changed().await, None);
    }

    #[tokio::test]
    async fn followers_hear_of_changes_only() {
        let (reporter, mut status) = LinkStatus::channel(LinkState::Up);
        reporter.report(LinkState::Up);
        let down = LinkState::Down { since: Instant::now() };
        reporter.report(down);
        assert_eq!(status.changed().await, Some(down));
        assert!(!status.current().is_up());
        let resumed = LinkState::Resumed { gap: Gap::Possible };
        reporter.report(resumed);
        assert_eq!(status.changed().await, Some(resumed));
        drop(reporter);
        assert_eq!(status.changed().await, None);
    }
}
