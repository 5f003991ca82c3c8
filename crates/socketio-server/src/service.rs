//! The server behind HTTP: a listener of its own, or a tower service or layer in another server.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use engine_io_server::{Body, EitherBody, EngineLayer, EngineLayered, EngineService};
use http::{Request, Response, StatusCode};
use tokio::net::{TcpListener, ToSocketAddrs};
use tower_layer::Layer;
use tower_service::Service;

use crate::Server;
use crate::client_files::Asked;

impl Server {
    /// Listens on `address` and serves until [`close`](Self::close) or [`shutdown`](Self::shutdown) is called; other paths
    /// than the server's are answered `404 Not Found`.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or the listener becomes unusable.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the listener, with the next turn of the runtime; connections that were accepted are
    /// served on.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.serve(TcpListener::bind(address).await?).await
    }

    /// As [`listen`](Self::listen), on a listener that is bound already.
    ///
    /// # Errors
    ///
    /// If the listener becomes unusable.
    ///
    /// # Cancel safety
    ///
    /// As [`listen`](Self::listen).
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.reopen();
        let (engine, client) = (self.engine().clone(), self.client().cloned());
        let other = move |request: &Request<_>| -> Option<BoxFuture<Response<Body>>> {
            if let Some(asked) = client.as_ref().and_then(|client| client.asked(&engine, request)) {
                return Some(Box::pin(asked.answer()));
            }
            let is_foreign = !engine.owns_path(request.uri().path());
            is_foreign.then(|| Box::pin(ready(not_found())) as _)
        };
        self.engine().listen_with(listener, other).await
    }

    /// A tower layer that answers what is below the server's path, and leaves the rest to the service behind it.
    ///
    /// With axum: `Router::new().route(…).layer(io.layer())`.
    #[must_use]
    pub fn layer(&self) -> ServerLayer {
        ServerLayer { engine: EngineLayer::new(self.engine().clone()), server: self.clone() }
    }

    /// A tower service that answers what is below the server's path, and `404 Not Found` to the rest.
    #[must_use]
    pub fn service(&self) -> ServerService {
        ServerService { engine: EngineService::new(self.engine().clone()), server: self.clone() }
    }

    fn asked<B>(&self, request: &Request<B>) -> Option<Asked> {
        self.client()?.asked(self.engine(), request)
    }
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(b"Not Found")));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// A tower layer; see [`Server::layer`].
#[derive(Debug, Clone)]
pub struct ServerLayer {
    engine: EngineLayer,
    server: Server,
}

/// What a [`ServerLayer`] makes of a service.
#[derive(Clone)]
pub struct ServerLayered<S> {
    engine: EngineLayered<S>,
    /// Keeps the server alive too: its engine does not.
    server: Server,
}

/// A tower service; see [`Server::service`].
#[derive(Debug, Clone)]
pub struct ServerService {
    engine: EngineService,
    server: Server,
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerLayered<S>;

    fn layer(&self, inner: S) -> ServerLayered<S> {
        ServerLayered { engine: self.engine.layer(inner), server: self.server.clone() }
    }
}

impl<S, B, R, E> Service<Request<B>> for ServerLayered<S>
where
    EngineLayered<S>: Service<
            Request<B>,
            Response = Response<EitherBody<R>>,
            Error = E,
            Future = BoxFuture<Result<Response<EitherBody<R>>, E>>,
        >,
{
    type Response = Response<EitherBody<R>>;
    type Error = E;
    type Future = BoxFuture<Result<Self::Response, E>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.engine.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.server.asked(&request) {
            Some(asked) => Box::pin(async move { Ok(asked.answer().await.map(EitherBody::Engine)) }),
            None => self.engine.call(request),
        }
    }
}

impl<B> Service<Request<B>> for ServerService
where
    EngineService: Service<
            Request<B>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Result<Response<Body>, Infallible>>,
        >,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.engine.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.server.asked(&request) {
            Some(asked) => Box::pin(async move { Ok(asked.answer().await) }),
            None => self.engine.call(request),
        }
    }
}

/// As the engine's services have it, so that what they answer is passed on without another allocation.
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<S> fmt::Debug for ServerLayered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayered").finish_non_exhaustive()
    }
}
