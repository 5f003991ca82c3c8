use std::rc::Rc;

use socketio_server::Server;

async fn count() {
    let n = Rc::new(1);
    std::future::ready(()).await;
    println!("{n}");
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on("count", count);
}
