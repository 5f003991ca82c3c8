use socketio_server::{Data, Server};

async fn add(Data((a, b)): Data<(i32, i32)>) -> i32 {
    a + b
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("add", add);
}
