use socketio_server::Server;
use socketio_server::handler::EventName;

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_any(|EventName(name)| println!("{name}"));
}
