//! An Engine.IO server that sends every message back.

use std::error::Error;
use std::time::Duration;

use engine_io_server::{
    CloseReason, Config, Engine, Flow, Handler, Incoming, Origins, Session, SessionHandler,
};
use tokio::net::TcpListener;

pub(crate) async fn serve(listener: TcpListener, ping_timeout: Duration) -> Result<(), Box<dyn Error>> {
    let config = Config::default()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(ping_timeout)
        .max_http_buffer_size(1_000_000)
        .allow_eio3(std::env::var_os("EIO3").is_some())
        // The suites may be run in a browser, from a page of another origin.
        .origins(Origins::any());
    Engine::new(config, Echo)?.listen(listener).await?;
    Ok(())
}

struct Echo;

impl Handler for Echo {
    fn on_open(&self, session: Session) -> Box<dyn SessionHandler> {
        Box::new(EchoSession(session))
    }
}

struct EchoSession(Session);

impl SessionHandler for EchoSession {
    fn on_message(&mut self, incoming: Incoming<'_>) -> Flow {
        // A session that was closed meanwhile has nobody to answer.
        let _ = self.0.send(incoming.message);
        Flow::Continue
    }

    fn on_close(self: Box<Self>, _: CloseReason, _: Option<&str>) {}
}
