use socketio_server::{Server, Socket};

fn say(_: Socket) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", say);
}
