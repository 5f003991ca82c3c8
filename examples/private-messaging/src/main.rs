//! Private messages between people who are online: `cargo run -p private-messaging`, then open two tabs.
//!
//! [`messaging`] is all there is to Socket.IO. The port is taken from `PORT` (default 3000; 0 takes a free one).

mod messaging;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use socketio_server::{Server, logging};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    logging::init()?;
    let io = messaging::server(Server::builder())?;
    let page = ([(CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("../page/index.html"));
    let app = Router::new().route("/", get(page)).layer(io.layer());

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let interrupted = async move {
        // Without signals it runs until it is killed.
        if tokio::signal::ctrl_c().await.is_ok() {
            io.shutdown(Duration::from_secs(5)).await;
        }
    };
    axum::serve(listener, app).with_graceful_shutdown(interrupted).await?;
    Ok(())
}
