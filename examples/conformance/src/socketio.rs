//! A Socket.IO server that tells every client its credentials and sends back what it is sent, in two namespaces.

use std::error::Error;
use std::time::Duration;

use socketio_server::{Args, Auth, Emit, Origins, Reply, Server, Socket, Value};
use tokio::net::TcpListener;

pub(crate) async fn serve(listener: TcpListener, ping_timeout: Duration) -> Result<(), Box<dyn Error>> {
    let io = Server::builder()
        .ping_interval(Duration::from_millis(300))
        .ping_timeout(ping_timeout)
        .max_http_buffer_size(1_000_000)
        .connect_timeout(Duration::from_secs(1))
        // The suite may be run in a browser, from a page of another origin.
        .origins(Origins::any())
        .build()?;
    for namespace in [io.of("/"), io.of("/custom")] {
        namespace
            .on_connect(tell_credentials)
            .on("message", send_back)
            .on("message-with-ack", async |args: Args| Reply(args));
    }
    io.serve(listener).await?;
    Ok(())
}

/// A client that sent no credentials gets an empty object.
async fn tell_credentials(socket: Socket, Auth(credentials): Auth<Value>) -> Emit {
    socket.emit("auth", credentials)
}

async fn send_back(socket: Socket, args: Args) -> Emit {
    socket.emit("message-back", args)
}
