use socketio_server::{Data, Server};

async fn connect(_: Data<String>) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_connect(connect);
}
