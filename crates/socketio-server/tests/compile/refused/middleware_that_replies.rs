use socketio_server::{Reply, Server};

async fn authenticate() -> Reply<bool> {
    Reply(true)
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.use_middleware(authenticate);
}
