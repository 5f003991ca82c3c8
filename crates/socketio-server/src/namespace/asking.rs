//! A broadcast that asks for acks: who is asked, and how long the answers are waited for.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use engine_io_parser::SharedFrame;
use socketio_adapter::{AckError, AckSink};
use tokio::sync::oneshot;

use crate::connection::Wake;
use crate::namespace::inner::wake_paced;
use crate::socket::{Asked, SocketInner};

/// Queues an event that asks for an ack to these sockets, and returns how many of them are asked.
///
/// One id serves all of them. The wait is given up after `timeout`, or when nobody reads the answers any more: then
/// no socket keeps anything of it.
pub(super) fn ask(
    sockets: &[Arc<SocketInner>],
    id: u64,
    frames: &[SharedFrame],
    timeout: Duration,
    acks: &AckSink,
) -> usize {
    let (open, ended) = oneshot::channel();
    let open = Arc::new(open);
    let (mut waiting, mut wakes, mut n_asked) = (Vec::new(), Vec::new(), 0);
    for socket in sockets {
        match socket.ask(id, frames, acks, &open) {
            Asked::Absent => {}
            Asked::Refused => n_asked += 1,
            Asked::Waiting(wake) => {
                n_asked += 1;
                waiting.push(Arc::downgrade(socket));
                wakes.extend(Some(wake).filter(Wake::is_needed));
            }
        }
    }
    drop(open);
    // Not a task of user code, which a shutdown would wait for: it ends with the last of the sockets.
    if let Some(socket) = sockets.first().filter(|_| !waiting.is_empty()) {
        socket.client().runtime().spawn(give_up(waiting, id, timeout, ended, acks.closed()));
    }
    wake_paced(wakes);
    n_asked
}

/// Ends the wait for those that have not answered in time.
async fn give_up(
    waiting: Vec<Weak<SocketInner>>,
    id: u64,
    timeout: Duration,
    ended: oneshot::Receiver<()>,
    unread: impl Future<Output = ()>,
) {
    // Each of these may be dropped at any time: none of them takes anything.
    tokio::select! {
        // Nothing is ever sent; it ends when the last wait has.
        _ = ended => return,
        () = unread => {}
        () = tokio::time::sleep(timeout) => {}
    }
    for socket in waiting.iter().filter_map(Weak::upgrade) {
        socket.forget_broadcast_ack(id, AckError::Timeout);
    }
}
