use socketio_server::{Reply, Server};

struct Failure;

async fn fail() -> Result<Reply<i32>, Failure> {
    Err(Failure)
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("fail", fail);
}
