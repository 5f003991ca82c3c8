//! The smallest server: `cargo run -p standalone`, then connect a Socket.IO client to `http://localhost:3000`.
//!
//! The port is taken from `PORT` (default 3000; 0 takes a free one). `DEBUG=socket.io*,engine*` shows what happens.

use std::error::Error;

use socketio_server::{Data, Reply, Server, Socket, logging};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    logging::init()?;
    let io = Server::builder().build()?;
    io.on_connect(async |socket: Socket| socket.emit("welcome", socket.id().as_str()));
    io.on("greet", async |Data(name): Data<String>| Reply(format!("Hello, {name}!")));

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener).await?;
    Ok(())
}
