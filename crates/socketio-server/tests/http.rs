//! The server behind HTTP, over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use socketio_server::{Data, Forbidden, Reply, Server, Socket};
use test_support::http::{Request, send};
use test_support::polling::Polling;
use test_support::wait;
use test_support::ws::WebSocket;
use tokio::net::TcpListener;

fn echo() -> Server {
    let io = Server::builder().build().expect("the default options fit together");
    io.on("echo", async |Data(text): Data<String>| Reply(text));
    io.on("address", async |socket: Socket| Reply(socket.handshake().address().is_some()));
    io
}

async fn listen() -> (Server, SocketAddr) {
    let io = echo();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });
    (io, address)
}

/// Connects, joins the root namespace and has a word echoed.
async fn check_websocket(address: SocketAddr) -> WebSocket {
    let mut socket = WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
    assert!(socket.text().await.starts_with("0{"));
    socket.send_text("40").await;
    assert!(socket.text().await.starts_with(r#"40{"sid":"#));
    socket.send_text(r#"420["echo","hello"]"#).await;
    assert_eq!(socket.text().await, r#"430["hello"]"#);
    socket
}

#[tokio::test]
async fn a_websocket_client_is_served() {
    let (io, address) = listen().await;
    let mut socket = check_websocket(address).await;
    socket.send_text(r#"421["address"]"#).await;
    assert_eq!(socket.text().await, "431[true]");
    io.emit("news", 1);
    assert_eq!(socket.text().await, r#"42["news",1]"#);
}

#[tokio::test]
async fn a_polling_client_is_served() {
    let (_io, address) = listen().await;
    let mut session = Polling::open(address, "/socket.io/").await;
    session.send(&["40"]).await;
    assert!(session.poll().await[0].starts_with(r#"40{"sid":"#));
    session.send(&[r#"420["echo","a"]"#, r#"421["echo","b"]"#]).await;
    assert_eq!(session.poll().await, [r#"430["a"]"#, r#"431["b"]"#]);
}

#[tokio::test]
async fn a_violation_ends_a_polling_session_as_the_official_tests_pin_it() {
    for violation in ["40", r#"42/nowhere,["e"]"#, "4abc"] {
        let (_io, address) = listen().await;
        let mut session = Polling::open(address, "/socket.io/").await;
        session.send(&["40"]).await;
        session.poll().await;
        session.send(&[violation]).await;
        assert_eq!(session.poll().await, ["6", "1"], "{violation}");
    }
}

#[tokio::test]
async fn foreign_paths_are_not_found() {
    let (_io, address) = listen().await;
    for path in ["/", "/socket.iofoo/?EIO=4&transport=polling", "/engine.io/?EIO=4&transport=polling"] {
        send(address, Request::get(path)).await.is(404, "Not Found");
    }
}

#[tokio::test]
async fn a_router_of_axum_carries_the_server_as_a_layer() {
    let app = Router::new().route("/", get(async || "the page")).layer(echo().layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    send(address, Request::get("/")).await.is(200, "the page");
    check_websocket(address).await;
}

#[tokio::test]
async fn a_shutdown_closes_connections_and_frees_the_port() {
    let (io, address) = listen().await;
    let mut socket = check_websocket(address).await;
    wait::soon("the shutdown", io.shutdown(Duration::from_secs(5))).await;
    assert_eq!(socket.closed().await, Some((1001, String::new())));
    assert_eq!(io.n_sockets(), 0);
    wait::soon("the port to be free", async {
        while TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_is_bound_at_once_or_the_caller_hears_that_it_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let io = echo();
    let error = io.listen(address).await.expect_err("somebody else listens there");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    drop(taken);
    let serving = io.clone();
    tokio::spawn(async move { serving.listen(address).await });
    wait::until("the server to listen", || std::net::TcpStream::connect(address).is_ok()).await;
    check_websocket(address).await;
}

#[tokio::test]
async fn a_predicate_lets_requests_in_on_any_path_below_or_refuses_them() {
    for (is_allowed, status, body) in
        [(true, 200, None), (false, 403, Some(r#"{"code":4,"message":"not today"}"#))]
    {
        let io = Server::builder().allow_request(move |_| async move {
            if is_allowed { Ok(()) } else { Err(Forbidden::new("not today")) }
        });
        let io = io.build().expect("the options fit together");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { io.serve(listener).await });
        let answer = send(address, Request::get("/socket.io/default/?transport=polling&EIO=4")).await;
        assert_eq!(answer.status, status);
        assert!(body.is_none_or(|body| answer.text() == body));
    }
}
