//! How a client joins a namespace: middleware, the answer, the connect handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use engine_io_parser::Text;
use socketio_adapter::{Outgoing, Replay, Room, SocketId};
use socketio_parser::Payload;

use crate::driver::ClientInner;
use crate::error::{ConnectError, HandlerError};
use crate::event::run::{Caught, Panicked, poll_once};
use crate::event::{ConnectContext, MiddlewareError, dispatch};
use crate::namespace::{
    Claim, NamespaceInner, Resumed, Returning, SessionKey, Stay, Table, locked_by_adapter,
};
use crate::socket::SocketInner;
use crate::{DisconnectReason, Handshake, Socket};

/// Decides a CONNECT, answers it, and runs the connect handlers of a client that was let in.
pub(crate) async fn join(
    client: Arc<ClientInner>,
    namespace: Arc<NamespaceInner>,
    stay: Stay,
    id: SocketId,
    ticket: u64,
    auth: Option<Payload>,
) {
    namespace.initialize().await;
    let recovers = namespace.recovers() && !client.is_legacy();
    let (auth, claim) = if recovers { Claim::take(auth) } else { (auth, None) };
    let resumed = match claim {
        Some(claim) => namespace.restore(&claim).await,
        None => None,
    };
    let handshake = Handshake::new(Arc::clone(&client), auth);
    let (socket, comeback) = match resumed {
        Some(Resumed { id, kept, replay, returning }) => {
            let comeback = Comeback { rooms: kept.rooms.clone(), replay, _returning: returning };
            (SocketInner::resume(id, Arc::clone(&namespace), stay, handshake, kept), Some(comeback))
        }
        None => {
            let session = if recovers { SessionKey::fresh() } else { None };
            (SocketInner::new(id, Arc::clone(&namespace), stay, handshake, session), None)
        }
    };
    let context = ConnectContext { socket: Socket::from_inner(&socket) };
    // As registered at this moment: what is added while the client is decided about is for the next one.
    let table = namespace.table();
    match decide(&socket, &table, &context).await {
        Ok(()) if !namespace.shared().is_closing.load(Ordering::Acquire) => {
            if let_in(&client, &namespace, &socket, ticket, comeback).await {
                return welcome(&socket, &table, context).await;
            }
        }
        Ok(()) => client.reject(namespace.name(), ticket, &ConnectError::new("server shutting down")),
        Err(error) => client.reject(namespace.name(), ticket, &error),
    }
    // Whoever has kept the socket does not keep the namespace from going.
    socket.forget_rooms();
}

/// What is to be done when a client that comes back is let in.
struct Comeback {
    /// The rooms that it was in.
    rooms: Vec<Room>,
    replay: Box<dyn Replay>,
    _returning: Option<Returning>,
}

/// Tells the client that it is in, and sends it what it missed; returns whether it is still there.
async fn let_in(
    client: &Arc<ClientInner>,
    namespace: &Arc<NamespaceInner>,
    socket: &Arc<SocketInner>,
    ticket: u64,
    comeback: Option<Comeback>,
) -> bool {
    let Some(Comeback { rooms, replay, _returning }) = comeback else {
        return namespace.open_session(socket, || client.accept(socket, ticket));
    };
    let is_in = Arc::new(AtomicBool::new(false));
    let resume = {
        let (client, socket, is_in) = (Arc::clone(client), Arc::clone(socket), Arc::clone(&is_in));
        let rooms = rooms.clone();
        move |missed: Vec<Outgoing>, at: Text| {
            locked_by_adapter(|| {
                let accept = || client.accept(&socket, ticket);
                if socket.namespace_inner().resume_session(&socket, &rooms, &at, accept) {
                    is_in.store(true, Ordering::Relaxed);
                    socket.catch_up(&missed);
                }
            });
        }
    };
    match replay.replay(Box::new(resume)).await {
        Ok(()) if is_in.load(Ordering::Relaxed) => namespace.session_resumed(socket),
        // It has gone again, and may come back.
        Ok(()) => namespace.session_unused(socket, &rooms),
        // It was found a moment ago. The client comes back by itself, and gets a new session.
        Err(error) => {
            tracing::debug!(target: "socket.io:namespace", sid = %socket.id(), %error, "a session was found, but not what it missed");
            client.connection.close(DisconnectReason::TransportClose);
        }
    }
    is_in.load(Ordering::Relaxed)
}

/// Runs the middlewares, one after the other, until one refuses or the time is up.
async fn decide(
    socket: &Arc<SocketInner>,
    table: &Table,
    context: &ConnectContext,
) -> Result<(), ConnectError> {
    let recovery = socket.shared().config.recovery.as_ref();
    let is_skipped = socket.is_recovered() && recovery.is_some_and(|recovery| recovery.skip_middlewares);
    if table.middlewares.is_empty() || is_skipped {
        return Ok(());
    }
    let mut decision = Box::pin(async {
        for middleware in &table.middlewares {
            let context = context.clone();
            match Caught::new(|| middleware(context)).await {
                Ok(Ok(())) => {}
                Ok(Err(MiddlewareError::Refused(error))) => return Err(error),
                Ok(Err(MiddlewareError::Failed(error))) => return Err(failed(socket, &error)),
                Err(panicked) => return Err(failed(socket, &panicked.into())),
            }
        }
        Ok(())
    });
    if let Poll::Ready(decision) = poll_once(&mut decision).await {
        return decision;
    }
    let timeout = socket.shared().config.middleware_timeout;
    match tokio::time::timeout(timeout, decision).await {
        Ok(decision) => decision,
        Err(_) => {
            tracing::warn!(target: "socket.io:namespace", namespace = socket.namespace_inner().name(), ?timeout, "middleware timed out");
            Err(ConnectError::new("timeout"))
        }
    }
}

/// What has gone wrong is for the application to know; the client learns that something has.
fn failed(socket: &Arc<SocketInner>, error: &HandlerError) -> ConnectError {
    socket.report("connect", error);
    ConnectError::new(match error {
        HandlerError::Extract(_) => "invalid credentials",
        _ => "internal error",
    })
}

/// Runs the connect handlers, then lets the events start that the client has sent meanwhile.
async fn welcome(socket: &Arc<SocketInner>, table: &Table, context: ConnectContext) {
    let namespace = socket.namespace_inner();
    tracing::debug!(target: "socket.io:namespace", sid = %socket.id(), namespace = namespace.name(), "joined");
    if !table.connect.is_empty() {
        let mut handlers = Box::pin(async {
            for handler in &table.connect {
                let context = context.clone();
                let result: Result<_, Panicked> = Caught::new(|| handler(context)).await;
                dispatch::report(socket, "connect", result);
            }
        });
        if poll_once(&mut handlers).await.is_pending() {
            let timeout = socket.shared().config.connect_handler_timeout;
            if tokio::time::timeout(timeout, &mut handlers).await.is_err() {
                tracing::warn!(
                    target: "socket.io:namespace",
                    namespace = namespace.name(),
                    ?timeout,
                    "connect handler still running: events of its socket start without waiting for it any longer"
                );
                dispatch::release(socket).await;
                return handlers.await;
            }
        }
    }
    dispatch::release(socket).await;
}
