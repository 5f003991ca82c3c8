//! The server that `sioload` (in `benches/load`, whose README lists what it must do) measures: default settings and
//! handlers as a user would write them.
//!
//! ```sh
//! cargo build --release -p load -p bench-server
//! PORT=3000 taskset -c 0 target/release/bench-server &
//! taskset -c 1 target/release/sioload echo --port 3000 --pid $! --conns 100
//! ```
//!
//! | variable | |
//! |---|---|
//! | `PORT` | where it listens, on 127.0.0.1; 0 takes a free port |
//! | `RUNTIME` | `current_thread` (default) or `multi_thread` |
//! | `WORKERS` | threads of `multi_thread`; default: one per CPU |
//! | `LAZY` | `1`: arguments are passed on as they came, instead of being read into a tree and written from it |

use std::env;
use std::error::Error;

use socketio_server::{Args, Data, Emit, Reply, Server, Socket, Value};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};

/// A thousand clients connect at the same time.
const BACKLOG: u32 = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_err(|_| "PORT is not set")?.parse()?;
    let is_lazy = env::var("LAZY").is_ok_and(|lazy| lazy == "1");
    runtime()?.block_on(async {
        let io = Server::builder().build()?;
        if is_lazy {
            pass_on(&io);
        } else {
            read_and_write(&io);
        }
        io.on("join", async |socket: Socket, Data(room): Data<String>| {
            socket.join(&room);
            Reply(room)
        });
        let listener = listener(port)?;
        println!("listening on http://{}", listener.local_addr()?);
        io.serve(listener).await?;
        Ok(())
    })
}

/// Handlers that read their argument into a tree, binary values and all.
fn read_and_write(io: &Server) {
    io.on("message", async |socket: Socket, Data(value): Data<Value>| socket.emit("message-back", value));
    io.on("message-with-ack", async |Data(value): Data<Value>| Reply(value));
    io.on("bcast", async |io: Server, Data(value): Data<Value>| io.emit("bcast", value));
    io.on("room", to_room);
}

/// Handlers that need not know what they pass on.
fn pass_on(io: &Server) {
    io.on("message", async |socket: Socket, args: Args| socket.emit("message-back", args));
    io.on("message-with-ack", async |args: Args| Reply(args));
    io.on("bcast", async |io: Server, args: Args| io.emit("bcast", args));
    io.on("room", to_room);
}

async fn to_room(io: Server, Data((room, value)): Data<(String, Value)>) -> Emit {
    io.to(room).emit("room", value)
}

fn listener(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
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
