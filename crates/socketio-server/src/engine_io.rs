//! The Engine.IO server that ships, and what joins it to this crate.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use engine_io_parser::SharedFrame;
use engine_io_server::{
    CloseReason, Config, ConfigError, Engine, Handler, Incoming, Session, SessionHandler,
};

use crate::DisconnectReason;
use crate::connection::{Connection, Flow, SendError, Wake};
use crate::driver::Receiver;
use crate::engine::{self, Opener};

/// The engine that ships, bound to its server like any other.
pub(crate) struct BuiltIn {
    engine: Engine,
    opener: Arc<OnceLock<Opener>>,
}

impl BuiltIn {
    pub(crate) fn new(config: Config) -> Result<Self, ConfigError> {
        let opener = Arc::default();
        let engine = Engine::new(config, Sessions(Arc::clone(&opener)))?;
        Ok(Self { engine, opener })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

#[async_trait]
impl engine::Engine for BuiltIn {
    fn bind(&self, opener: Opener) {
        // It is said once.
        let _ = self.opener.set(opener);
    }

    fn close_connections(&self) {
        self.engine.close_sessions();
    }

    async fn shutdown(&self, deadline: Duration) {
        self.engine.shutdown(deadline).await;
    }

    fn reopen(&self) {
        self.engine.reopen();
    }
}

/// Opens the sessions of the engine on the server.
struct Sessions(Arc<OnceLock<Opener>>);

impl Handler for Sessions {
    fn on_open(&self, session: Session) -> Box<dyn SessionHandler> {
        let server = self.0.get().and_then(Opener::server);
        if server.is_none() {
            session.close(CloseReason::ServerShuttingDown);
        }
        Box::new(Conn(server.map(|server| server.open(Arc::new(session)))))
    }
}

/// What receives the messages of a session; nothing does if the server is gone.
struct Conn(Option<Receiver>);

impl SessionHandler for Conn {
    fn on_message(&mut self, incoming: Incoming<'_>) -> engine_io_server::Flow {
        match self.0.as_mut().map(|receiver| receiver.on_message(incoming.message)) {
            Some(Flow::Pause) => engine_io_server::Flow::Pause,
            Some(Flow::Continue) | None => engine_io_server::Flow::Continue,
        }
    }

    fn on_close(self: Box<Self>, reason: CloseReason, detail: Option<&str>) {
        if let Some(receiver) = self.0 {
            receiver.on_close(reason.into(), detail);
        }
    }
}

impl Connection for Session {
    fn id(&self) -> &str {
        self.id().as_str()
    }

    fn protocol(&self) -> u8 {
        self.protocol()
    }

    fn transport(&self) -> &'static str {
        self.transport().as_str()
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        self.request().remote_addr()
    }

    fn is_secure(&self) -> bool {
        self.request().is_secure()
    }

    fn received_at(&self) -> SystemTime {
        self.request().received_at()
    }

    fn target(&self) -> &str {
        self.request().target()
    }

    fn visit_headers(&self, visit: &mut dyn FnMut(&str, &[u8])) {
        self.request().headers().for_each(|(name, value)| visit(name, value));
    }

    fn queue(&self, frames: &[SharedFrame]) -> Result<Wake, SendError> {
        self.queue_frames(frames).map(Wake::from).map_err(|error| match error {
            engine_io_server::SendError::SlowConsumer => SendError::SlowConsumer,
            _ => SendError::Closed,
        })
    }

    fn queue_volatile(&self, frames: &[SharedFrame]) -> Option<Wake> {
        self.queue_volatile(frames).map(Wake::from)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_writable(cx)
    }

    fn close(&self, reason: DisconnectReason) {
        self.close(reason.into());
    }

    fn close_because(&self, reason: DisconnectReason, detail: &dyn fmt::Display) {
        self.close_because(reason.into(), detail);
    }

    fn resume(&self) {
        self.resume();
    }

    fn is_open(&self) -> bool {
        self.is_open()
    }
}

impl From<DisconnectReason> for CloseReason {
    fn from(reason: DisconnectReason) -> Self {
        match reason {
            DisconnectReason::TransportError => Self::TransportError,
            DisconnectReason::TransportClose => Self::TransportClose,
            DisconnectReason::ParseError => Self::ParseError,
            DisconnectReason::PingTimeout => Self::PingTimeout,
            DisconnectReason::ForcedServerClose => Self::ForcedServerClose,
            DisconnectReason::ServerShuttingDown => Self::ServerShuttingDown,
            DisconnectReason::SlowConsumer => Self::SlowConsumer,
            DisconnectReason::RateLimited => Self::RateLimited,
            DisconnectReason::SessionTakenOver => Self::SessionTakenOver,
            // An engine knows of no namespaces.
            DisconnectReason::ForcedClose
            | DisconnectReason::ClientNamespaceDisconnect
            | DisconnectReason::ServerNamespaceDisconnect => Self::ForcedClose,
        }
    }
}

impl From<CloseReason> for DisconnectReason {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::TransportError => Self::TransportError,
            CloseReason::TransportClose => Self::TransportClose,
            CloseReason::ParseError => Self::ParseError,
            CloseReason::PingTimeout => Self::PingTimeout,
            CloseReason::ForcedServerClose => Self::ForcedServerClose,
            CloseReason::ServerShuttingDown => Self::ServerShuttingDown,
            CloseReason::SlowConsumer => Self::SlowConsumer,
            CloseReason::RateLimited => Self::RateLimited,
            CloseReason::SessionTakenOver => Self::SessionTakenOver,
            _ => Self::ForcedClose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_the_engine_is_spelt_the_same_here() {
        for reason in [
            CloseReason::TransportError,
            CloseReason::TransportClose,
            CloseReason::ParseError,
            CloseReason::PingTimeout,
            CloseReason::ForcedClose,
            CloseReason::ForcedServerClose,
            CloseReason::ServerShuttingDown,
            CloseReason::SlowConsumer,
            CloseReason::RateLimited,
            CloseReason::SessionTakenOver,
        ] {
            assert_eq!(DisconnectReason::from(reason).as_str(), reason.as_str());
        }
    }
}
