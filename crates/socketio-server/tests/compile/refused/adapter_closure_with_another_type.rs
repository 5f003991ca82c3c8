use std::sync::Arc;

use socketio_adapter::InMemoryAdapter;
use socketio_server::Server;

fn main() {
    let _ = Server::builder().adapter(|node| Arc::new(InMemoryAdapter::new(node)));
}
