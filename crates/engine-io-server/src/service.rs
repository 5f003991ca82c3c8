//! The engine as a tower service and as a layer around another one.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use crate::body::respond;
use crate::{Body, Engine};

/// An [`Engine`] as a service of its own: other paths than the engine's are answered `404 Not Found`.
#[derive(Debug, Clone)]
pub struct EngineService(Engine);

impl EngineService {
    /// The service of an engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(engine)
    }
}

impl<B> Service<Request<B>> for EngineService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: fmt::Display + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.0.owns_path(request.uri().path()) {
            let answer = self.0.handle_request(request);
            Box::pin(async move { Ok(answer.await) })
        } else {
            let response = respond(StatusCode::NOT_FOUND, "text/plain", Bytes::from_static(b"Not Found"));
            Box::pin(std::future::ready(Ok(response)))
        }
    }
}

/// Puts an [`Engine`] in front of another service, which gets all requests outside of the engine's path.
///
/// ```no_run
/// use engine_io_server::{Config, CloseReason, Engine, EngineLayer, Flow, Handler, Incoming, Session, SessionHandler};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn on_open(&self, session: Session) -> Box<dyn SessionHandler> { Box::new(EchoSession(session)) }
/// # }
/// # struct EchoSession(Session);
/// # impl SessionHandler for EchoSession {
/// #     fn on_message(&mut self, incoming: Incoming<'_>) -> Flow { let _ = self.0.send(incoming.message); Flow::Continue }
/// #     fn on_close(self: Box<Self>, _: CloseReason, _: Option<&str>) {}
/// # }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::new(Config::default(), Echo)?;
/// let layer = EngineLayer::new(engine); // axum: `Router::new().layer(layer)`
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EngineLayer(Engine);

impl EngineLayer {
    /// The layer of an engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self(engine)
    }
}

impl<S> Layer<S> for EngineLayer {
    type Service = EngineLayered<S>;

    fn layer(&self, inner: S) -> EngineLayered<S> {
        EngineLayered { engine: self.0.clone(), inner }
    }
}

/// What [`EngineLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct EngineLayered<S> {
    engine: Engine,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for EngineLayered<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: fmt::Display + Send,
{
    type Response = Response<EitherBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if self.engine.owns_path(request.uri().path()) {
            let answer = self.engine.handle_request(request);
            Box::pin(async move { Ok(answer.await.map(EitherBody::Engine)) })
        } else {
            let response = self.inner.call(request);
            Box::pin(async move { Ok(response.await?.map(EitherBody::Inner)) })
        }
    }
}

/// The body of the engine's response or of the service behind it.
#[derive(Debug)]
pub enum EitherBody<B> {
    /// The engine answered.
    Engine(Body),
    /// The service behind it answered.
    Inner(B),
}

impl<B> http_body::Body for EitherBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Engine(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Self::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Engine(body) => body.is_end_stream(),
            Self::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Engine(body) => body.size_hint(),
            Self::Inner(body) => body.size_hint(),
        }
    }
}
