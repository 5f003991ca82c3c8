use socketio_server::Server;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_error(|event, error| eprintln!("{event}: {error}"));
}
