//! The servers that the public black-box suites of the two protocols are run against.
//!
//! `conformance engine-io` echoes every message on `/engine.io/`, `conformance socket-io` sends back events on
//! `/socket.io/`. `conformance playground` is no suite's: it has handlers for what the tests in `tests/interop` try with
//! the official client. `conformance playground-eio3` lets those of Socket.IO 1 and 2 in, and `conformance
//! playground-msgpack` is for clients that speak MessagePack; with `-recovery` behind their name, this one and the plain one
//! are for clients that lose their connection and come back. The port is taken from `PORT` (default 3000; 0 takes a free
//! one); the first line on standard output says where the server listens. The suites want a ping timeout of 200 ms, which is
//! little for a stock client on a busy machine; `PING_TIMEOUT` (milliseconds) gives more. With `EIO3` set, `engine-io` lets
//! clients of Engine.IO 3 in.

mod engine;
mod playground;
mod socketio;

use std::error::Error;
use std::time::Duration;

use socketio_server::{Builder, Limits, Parser, Recovery, Server};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    socketio_server::logging::init()?;
    let port = match std::env::var("PORT") {
        Ok(port) => port.parse()?,
        Err(_) => 3000,
    };
    let ping_timeout = Duration::from_millis(match std::env::var("PING_TIMEOUT") {
        Ok(millis) => millis.parse()?,
        Err(_) => 200,
    });
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    match std::env::args().nth(1).as_deref() {
        Some("engine-io") => engine::serve(listener, ping_timeout).await,
        Some("socket-io") => socketio::serve(listener, ping_timeout).await,
        Some("playground") => playground::serve(listener, Server::builder).await,
        Some("playground-eio3") => playground::serve(listener, || Server::builder().allow_eio3(true)).await,
        Some("playground-msgpack") => playground::serve(listener, msgpack).await,
        Some("playground-recovery") => {
            playground::serve(listener, || Server::builder().connection_state_recovery(Recovery::default()))
                .await
        }
        Some("playground-msgpack-recovery") => {
            playground::serve(listener, || msgpack().connection_state_recovery(Recovery::default())).await
        }
        _ => Err(USAGE.into()),
    }
}

fn msgpack() -> Builder {
    Server::builder().parser(Parser::Msgpack(Limits::default()))
}

const USAGE: &str = "usage: conformance engine-io|socket-io|playground|playground-eio3|playground-msgpack|\
                     playground-recovery|\
                     playground-msgpack-recovery";
