//! How a client joins a namespace: middleware, the answer, the connect handlers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use socketio_adapter::SocketId;
use socketio_parser::Payload;

use crate::driver::ClientInner;
use crate::error::{ConnectError, HandlerError};
use crate::event::run::{Caught, Panicked, poll_once};
use crate::event::{ConnectContext, MiddlewareError, dispatch};
use crate::namespace::{NamespaceInner, Stay, Table};
use crate::socket::SocketInner;
use crate::{Handshake, Socket};

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
    let handshake = Handshake::new(Arc::clone(&client), auth);
    let socket = SocketInner::new(id, Arc::clone(&namespace), stay, handshake);
    let context = ConnectContext { socket: Socket::from_inner(&socket) };
    // As registered at this moment: what is added while the client is decided about is for the next one.
    let table = namespace.table();
    match decide(&socket, &table, &context).await {
        Ok(()) if !namespace.shared().is_closing.load(Ordering::Acquire) => {
            if client.accept(&socket, ticket) {
                return welcome(&socket, &table, context).await;
            }
        }
        Ok(()) => client.reject(namespace.name(), ticket, &ConnectError::new("server shutting down")),
        Err(error) => client.reject(namespace.name(), ticket, &error),
    }
    // Whoever has kept the socket does not keep the namespace from going.
    socket.forget_rooms();
}

/// Runs the middlewares, one after the other, until one refuses or the time is up.
async fn decide(
    socket: &Arc<SocketInner>,
    table: &Table,
    context: &ConnectContext,
) -> Result<(), ConnectError> {
    if table.middlewares.is_empty() {
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
