//! A chat with rooms: `cargo xtask demo`, then open `http://localhost:3000` in two tabs.
//!
//! [`chat`] is all there is to Socket.IO: the handlers, and what they keep. [`protocol`] says what goes over the wire,
//! and [`page`] serves the files in `page/`; the official browser client comes from the Socket.IO server itself. The port
//! is taken from `PORT` (default 3000; 0 takes a free one). `DEBUG=socket.io*` shows what happens.

mod chat;
mod page;
mod protocol;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt;
use socketio_server::{Builder, ClientFiles, ConfigError, Server, logging};
use tokio::net::TcpListener;

/// The official client, as npm has put it there.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/socket.io-client/dist");
const INSTALL: &str = "the official client is not there; run: npm ci --prefix examples/chat";

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    logging::init()?;
    let client = ClientFiles::from_dir(CLIENT).map_err(|error| format!("{error}\n{INSTALL}"))?;
    let io = server(Server::builder().client_files(client))?;
    let app = page::routes().layer(io.layer());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    println!("open http://localhost:{}", address.port());

    // Messages are small and should leave at once.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).with_graceful_shutdown(interrupt(io)).await?;
    Ok(())
}

/// The chat, whoever connects to it: browsers, or the clients of its tests.
fn server(builder: Builder) -> Result<Server, ConfigError> {
    let io = builder
        .state(chat::Online::default())
        // Far more than the longest message of this chat.
        .max_http_buffer_size(64 * 1024)
        .build()?;
    chat::register(&io);
    Ok(io)
}

/// Ends with Ctrl-C, once all clients were told.
async fn interrupt(io: Server) {
    if tokio::signal::ctrl_c().await.is_ok() {
        io.shutdown(Duration::from_secs(5)).await;
    }
}
