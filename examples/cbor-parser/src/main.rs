//! A server whose clients speak CBOR: `cargo run -p cbor-parser`, then see the README for a client.
//!
//! The port is taken from `PORT` (default 3000; 0 takes a free one).

mod cbor;

use std::error::Error;
use std::sync::Arc;

use socketio_server::{Args, Binary, Data, Parser, Reply, Server, Socket};
use tokio::net::TcpListener;

use crate::cbor::Cbor;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let io = Server::builder().parser(Parser::Custom(Arc::new(Cbor))).build()?;
    io.on("echo", async |socket: Socket, args: Args| socket.emit("echo", args));
    io.on("size", async |Data(bytes): Data<Binary>| Reply(bytes.len()));
    io.on("tell-all", async |io: Server, Data(text): Data<String>| io.emit("told", text));

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    io.serve(listener).await?;
    Ok(())
}
