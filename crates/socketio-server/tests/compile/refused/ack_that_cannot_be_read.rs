use socketio_server::{AckError, Socket};

struct Answer;

async fn ask(socket: Socket) -> Result<Answer, AckError> {
    socket.emit_with_ack("question", ()).await
}

fn main() {}
