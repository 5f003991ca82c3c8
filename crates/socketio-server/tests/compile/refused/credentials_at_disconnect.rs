use socketio_server::{Auth, Server};

async fn goodbye(_: Auth<String>) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_disconnect(goodbye);
}
