use socketio_server::Server;

fn main() {
    let io = Server::builder().build().unwrap();
    let _ = io.of_matching(|name| name.starts_with("/team-"));
}
