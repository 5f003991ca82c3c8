use socketio_server::{Reply, Server};

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_connect(async || Reply("welcome"));
}
