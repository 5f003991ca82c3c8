use socketio_server::{Server, Socket};

async fn reload(_: Socket) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_server_side("reload", reload);
}
