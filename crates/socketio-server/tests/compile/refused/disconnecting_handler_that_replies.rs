use socketio_server::{Reply, Socket};

async fn goodbye() -> Reply<()> {
    Reply(())
}

fn register(socket: &Socket) {
    socket.on_disconnecting(goodbye);
}

fn main() {}
