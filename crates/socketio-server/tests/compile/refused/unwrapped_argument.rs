use socketio_server::{Server, Socket};

async fn say(_: Socket, _: String) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("say", say);
}
