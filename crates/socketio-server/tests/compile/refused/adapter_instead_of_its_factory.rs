use socketio_server::Server;

struct Redis;

fn main() {
    let _ = Server::builder().adapter(Redis);
}
