use socketio_server::{Reply, Server};

async fn check() -> Reply<bool> {
    Reply(true)
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.use_event_middleware(check);
}
