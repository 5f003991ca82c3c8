use socketio_server::Server;
use socketio_server::handler::{EventContext, Extract, ExtractError};

struct Size;

impl Extract<EventContext> for Size {
    fn extract(_: &mut EventContext) -> Result<Self, ExtractError> {
        Ok(Self)
    }
}

async fn connect(_: Size) {}

fn main() {
    let io = Server::builder().build().unwrap();
    io.on_connect(connect);
}
