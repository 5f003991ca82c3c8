use socketio_server::Socket;

struct Point {
    x: i32,
}

fn send(socket: &Socket) {
    socket.emit("point", Point { x: 1 });
}

fn main() {}
