use socketio_server::Server;

fn main() {
    let io = Server::builder().build().unwrap();
    io.to(7).emit("e", ());
}
