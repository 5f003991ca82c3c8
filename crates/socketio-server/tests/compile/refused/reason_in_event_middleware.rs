use socketio_server::{DisconnectReason, Socket};

async fn check(_: DisconnectReason) {}

fn register(socket: &Socket) {
    socket.use_middleware(check);
}

fn main() {}
