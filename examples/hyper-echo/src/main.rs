//! Socket.IO as a tower service behind plain hyper: `cargo run -p hyper-echo`.
//!
//! The event `echo` comes back with its arguments, whatever they are: as its answer if the client asked for one, or
//! else as an event. The port is taken from `PORT` (default 3000; 0 takes a free one).

use std::error::Error;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use socketio_server::{Ack, Args, Emit, Server, Socket};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let io = Server::builder().build()?;
    io.on("echo", echo);

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(io.service());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            // With a timer, hyper gives up on clients that do not finish their headers.
            http.timer(TokioTimer::new());
            // Without upgrades there would be no WebSocket.
            let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
            if let Err(error) = connection.await {
                eprintln!("connection ended: {error}");
            }
        });
    }
}

async fn echo(socket: Socket, args: Args, ack: Ack) -> Emit {
    if ack.is_requested() { ack.send(args) } else { socket.emit("echo", args) }
}
