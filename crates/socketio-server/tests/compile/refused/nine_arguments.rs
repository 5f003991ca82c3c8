use socketio_server::{Server, Socket};

type S = Socket;

async fn many(_: S, _: S, _: S, _: S, _: S, _: S, _: S, _: S, _: S) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("many", many);
}
