use socketio_server::handler::{EventContext, Extract};

fn take<T: Extract<EventContext>>() {}

fn main() {
    take::<String>();
}
