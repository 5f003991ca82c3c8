use socketio_server::Server;

async fn authenticate() -> Result<(), std::io::Error> {
    Ok(())
}

fn main() {
    let io = Server::builder().build().unwrap();
    io.use_middleware(authenticate);
}
