use socketio_server::Socket;

fn register(socket: &Socket) {
    socket.on_any_outgoing(|event| println!("{event}"));
}

fn main() {}
