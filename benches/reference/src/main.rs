//! The yardstick: what `sioload` asks of a server (the README of `benches/load` lists it), on bare hyper and tokio.
//!
//! It is no Socket.IO server. It compares the first bytes of a packet and moves the rest, checks nothing, keeps no
//! deadlines, and does not bound what waits for a slow client. Rooms and broadcasts reach WebSockets only, and a
//! polling session whose client vanishes before its WebSocket is never forgotten. All HTTP is hyper's: what a real
//! server takes on top of this is what its own protocol code costs.
//!
//! ```sh
//! cargo build --release -p load -p bench-reference
//! PORT=3000 taskset -c 0 target/release/tokio-hyper &
//! taskset -c 1 target/release/sioload connect-polling --port 3000 --pid $! --inflight 200
//! ```
//!
//! | variable | |
//! |---|---|
//! | `PORT` | where it listens, on 127.0.0.1; 0 takes a free port |
//! | `RUNTIME` | `current_thread` (default) or `multi_thread` |
//! | `WORKERS` | threads of `multi_thread`; default: one per CPU |

mod frames;
mod http;
mod packets;
mod peers;
mod sessions;
mod sid;
mod socket;
mod sync;

use std::env;
use std::error::Error;
use std::io;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};

/// A thousand clients connect at the same time.
const BACKLOG: u32 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_err(|_| "PORT is not set")?.parse()?;
    runtime()?.block_on(async {
        let listener = listener(port)?;
        println!("listening on http://{}", listener.local_addr()?);
        tokio::spawn(peers::keep_pinging());
        // A task of its own, since what `block_on` itself runs is no worker's: it would wake one for each connection.
        tokio::spawn(accept(listener)).await?;
        Ok(())
    })
}

async fn accept(listener: TcpListener) {
    loop {
        // What fails here is one connection, whose client hears of it.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(http::serve(stream));
        }
    }
}

fn listener(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // Linux hands it down to every accepted connection, which saves each of them a system call.
    socket.set_nodelay(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(BACKLOG)
}

fn runtime() -> Result<Runtime, Box<dyn Error>> {
    let mut builder = match env::var("RUNTIME").as_deref() {
        Ok("current_thread") | Err(_) => Builder::new_current_thread(),
        Ok("multi_thread") => Builder::new_multi_thread(),
        Ok(other) => return Err(format!("no such runtime: {other}").into()),
    };
    if let Ok(workers) = env::var("WORKERS") {
        builder.worker_threads(workers.parse()?);
    }
    Ok(builder.enable_all().build()?)
}
