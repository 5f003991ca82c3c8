//! The server behind HTTP, over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use socketio_server::{Data, Forbidden, Reply, Server, Socket, Value};
use test_support::http::{Request, send};
use test_support::polling::Polling;
use test_support::wait;
use test_support::ws::WebSocket;
use tokio::net::{TcpListener, TcpStream};

const UNKNOWN_SID: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

fn echo() -> Server {
    let io = Server::builder().build().expect("the default options fit together");
    io.on("echo", async |Data(text): Data<String>| Reply(text));
    io.on("address", async |socket: Socket| Reply(socket.handshake().address().is_some()));
    io
}

async fn listen() -> (Server, SocketAddr) {
    serve(echo()).await
}

async fn serve(io: Server) -> (Server, SocketAddr) {
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
    for (before, violation) in [
        (&["40"][..], "40"),
        (&["40"], r#"42/nowhere,["e"]"#),
        (&["40"], "4abc"),
        (&[], r#"42["e"]"#),
        (&[], "4abc"),
    ] {
        let (io, address) = listen().await;
        let mut session = Polling::open(address, "/socket.io/").await;
        for packet in before {
            session.send(&[packet]).await;
            assert!(session.poll().await[0].starts_with(r#"40{"sid":"#));
        }
        session.send(&[violation]).await;
        assert_eq!(session.poll().await, ["6", "1"], "{violation}");
        let target = session.target();
        session.get.exchange(Request::get(&target)).await.is(400, UNKNOWN_SID);
        assert_eq!(io.n_sockets(), 0);
    }
}

/// The client learns that it was let in before it learns that this is over.
#[tokio::test]
async fn what_was_sent_before_a_violation_still_arrives() {
    let (_io, address) = listen().await;
    let mut session = Polling::open(address, "/socket.io/").await;
    session.send(&["40"]).await;
    session.send(&["40"]).await;
    let packets = session.poll().await;
    assert!(packets[0].starts_with(r#"40{"sid":"#), "{packets:?}");
    assert_eq!(packets[1..], [""; 0]);
    assert_eq!(session.poll().await, ["6", "1"]);
}

#[tokio::test]
async fn the_application_decides_about_requests_to_any_path_below_the_servers() {
    for (is_allowed, status) in [(true, 200), (false, 403)] {
        let builder = Server::builder().allow_request(move |_| async move {
            if is_allowed { Ok(()) } else { Err(Forbidden::default()) }
        });
        let (_io, address) = serve(builder.build().expect("these options fit together")).await;
        for path in ["/socket.io/", "/socket.io/default/"] {
            let request = Request::get(&format!("{path}?transport=polling&EIO=4"));
            assert_eq!(send(address, request).await.status, status, "{path}");
        }
    }
}

/// The server as [`echo`], with an event for the ways of sending volatile ones.
async fn listen_volatile() -> SocketAddr {
    let io = echo();
    io.on("behind another", async |socket: Socket, io: Server| {
        socket.emit("e", 1);
        socket.volatile().emit("v", 2);
        io.volatile().emit("v", 3);
        socket.emit("e", 4);
    });
    io.on("volatile", async |socket: Socket, io: Server, Data(case): Data<(u32, bool, bool)>| {
        let (n_events, is_to_all, is_binary) = case;
        let value = if is_binary { Value::Binary(vec![7].into()) } else { Value::Null };
        for n in 1..=n_events {
            if is_to_all {
                io.volatile().emit("v", (n, &value));
            } else {
                socket.volatile().emit("v", (n, &value));
            }
        }
    });
    serve(io).await.1
}

const BEHIND_ANOTHER: &str = r#"42["behind another"]"#;
const END: &str = r#"420["echo","end"]"#;
const ENDED: &str = r#"430["end"]"#;

/// How many are sent in a row, to the client or to everybody, with or without binary; and what arrives.
fn volatile_cases() -> impl Iterator<Item = (String, Vec<&'static str>)> {
    [1, 2].into_iter().flat_map(|n| [false, true].map(|to_all| (n, to_all))).flat_map(|(n, to_all)| {
        [
            (false, vec![r#"42["v",1,null]"#]),
            (true, vec![r#"451-["v",1,{"_placeholder":true,"num":0}]"#, "bBw=="]),
        ]
        .map(|(is_binary, arrives)| (format!(r#"42["volatile",{n},{to_all},{is_binary}]"#), arrives))
    })
}

#[tokio::test]
async fn of_volatile_events_in_a_row_the_first_arrives_over_a_websocket_and_it_is_whole() {
    let mut socket = check_websocket(listen_volatile().await).await;
    for (event, arrives) in volatile_cases() {
        socket.send_text(&event).await;
        assert_eq!(socket.text().await, arrives[0], "{event}");
        if arrives.len() > 1 {
            assert_eq!(socket.binary().await[..], [7]);
        }
        socket.send_text(END).await;
        assert_eq!(socket.text().await, ENDED, "nothing more of {event}");
    }
    socket.send_text(BEHIND_ANOTHER).await;
    assert_eq!(socket.text().await, r#"42["e",1]"#);
    assert_eq!(socket.text().await, r#"42["e",4]"#);
}

#[tokio::test]
async fn of_volatile_events_in_a_row_the_first_arrives_over_polling_if_a_poll_waits() {
    let mut session = Polling::open(listen_volatile().await, "/socket.io/").await;
    session.send(&["40"]).await;
    session.poll().await;
    for (event, arrives) in volatile_cases() {
        // The POST may overtake the GET, and then there is nobody to send it to.
        let packets = wait::soon("a poll that waits", async {
            loop {
                let packets = all_of(&mut session, &event).await;
                if !packets.is_empty() {
                    return packets;
                }
            }
        })
        .await;
        assert_eq!(packets, arrives, "{event}");
    }
    assert_eq!(all_of(&mut session, BEHIND_ANOTHER).await, [r#"42["e",1]"#, r#"42["e",4]"#]);
}

/// What comes of an event that is sent while a poll is out.
async fn all_of(session: &mut Polling, event: &str) -> Vec<String> {
    session.start_poll().await;
    session.send(&[event]).await;
    session.send(&[END]).await;
    let mut packets = session.end_poll().await;
    while packets.last().is_none_or(|last| last != ENDED) {
        packets.extend(session.poll().await);
    }
    packets.pop();
    packets
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
async fn an_address_is_listened_to_until_the_server_closes() {
    let io = echo();
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let refused = wait::soon("the refusal", io.listen(address)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    drop(taken);
    let listening = tokio::spawn({
        let io = io.clone();
        async move { io.listen(address).await }
    });
    wait::soon("the listener", async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    check_websocket(address).await;
    wait::soon("the close", io.close()).await;
    wait::soon("listen to return", listening).await.expect("it did not panic").expect("it was closed");
    TcpListener::bind(address).await.expect("the port is free");
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
