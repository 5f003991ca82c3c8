use socketio_server::{Data, Server};

struct Point;

async fn move_to(_: Data<Point>) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("move", move_to);
}
