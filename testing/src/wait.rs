//! Deadlines: no test waits for ever, and one that waits too long says for what.

use std::future::Future;
use std::time::Duration;

/// How long a helper waits for what must come: 10 s, far above what any server needs, so that a slow machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The value of `future`, which must come within [`PATIENCE`].
///
/// `what` completes the sentence "waited 10s for …".
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    within(PATIENCE, what, future).await
}

/// The value of `future`, which must come within `deadline`.
///
/// `what` completes the sentence "waited … for …".
pub async fn within<T>(deadline: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(deadline, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {deadline:?} for {what}"),
    }
}

/// Waits until `condition` holds, which must happen within [`PATIENCE`]; looks again every 5 ms.
///
/// `what` completes the sentence "waited 10s for …".
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waited 10s for the moon")]
    async fn a_missed_deadline_says_what_was_awaited() {
        soon("the moon", std::future::pending::<()>()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn until_looks_again() {
        let mut looks = 0;
        until("the third look", || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
    }
}
