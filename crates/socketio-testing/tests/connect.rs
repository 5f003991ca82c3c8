//! Ways into a namespace, and out of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::{Auth, ConnectError, Data, DisconnectReason, Reply, Server, Socket};
use socketio_testing::{TestClient, settle};

fn server() -> Server {
    Server::builder().build().expect("the defaults fit together")
}

/// A server that notes how sockets leave its root namespace.
fn noting() -> (Server, impl Fn() -> Vec<&'static str>) {
    let io = server();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&reasons);
    io.on_disconnect(move |reason: DisconnectReason| {
        noted.lock().expect("no test panics here").push(reason.as_str());
        async {}
    });
    (io, move || reasons.lock().expect("no test panics here").clone())
}

#[tokio::test(start_paused = true)]
async fn the_server_sees_how_the_client_came() {
    let io = server();
    io.on("handshake", async |socket: Socket| {
        let handshake = socket.handshake();
        let auth: HashMap<String, String> = handshake.auth().unwrap();
        Reply((
            auth["token"].clone(),
            handshake.query("q"),
            handshake.query("r"),
            (handshake.header("X-Mine"), handshake.header("host")),
            (handshake.address().map(|address| address.to_string()), handshake.is_secure()),
        ))
    });
    let alice = TestClient::builder(&io)
        .auth(HashMap::from([("token", "t")]))
        .query("q", "a b&c=é")
        .query("r", "")
        .header("X-Mine", "1")
        .header("Host", "example.com")
        .address(([192, 0, 2, 1], 80).into())
        .secure(true)
        .connect()
        .await
        .unwrap();
    type Seen = (String, String, String, (String, String), (String, bool));
    let (token, q, r, (mine, host), (address, is_secure)): Seen =
        alice.emit_with_ack("handshake", ()).await.unwrap();
    assert_eq!((&*token, &*q, &*r, &*mine, &*host), ("t", "a b&c=é", "", "1", "example.com"));
    assert_eq!((&*address, is_secure), ("192.0.2.1:80", true));
}

#[tokio::test(start_paused = true)]
async fn each_connection_has_an_id_of_its_own_and_each_socket_too() {
    let io = server();
    let alice = TestClient::connect(&io).await;
    let bob = TestClient::connect(&io).await;
    assert_ne!(alice.id(), bob.id());
    let sockets = io.sockets();
    assert!(sockets.iter().any(|socket| socket.id().as_str() == alice.id()));
    assert_ne!(sockets[0].client().id(), sockets[1].client().id());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_with_message_and_data() {
    let io = server();
    io.of("/admin").use_middleware(async |Auth(auth): Auth<HashMap<String, String>>| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match auth.get("token") {
            Some(token) if token == "secret" => Ok(()),
            _ => Err(ConnectError::new("not authorized").with_data(401)),
        }
    });
    let refused = TestClient::builder(&io).namespace("/admin").connect().await.unwrap_err();
    assert_eq!(refused.to_string(), "the server refused the client: not authorized");
    assert_eq!((refused.message(), refused.data::<u16>().unwrap()), ("not authorized", 401));
    assert!(refused.data::<String>().is_err());

    let alice = TestClient::builder(&io)
        .namespace("admin")
        .auth(HashMap::from([("token", "secret")]))
        .connect()
        .await
        .unwrap();
    assert_eq!(alice.namespace(), "/admin");

    let refused = TestClient::builder(&io).namespace("/nowhere").connect().await.unwrap_err();
    assert_eq!((refused.message(), refused.data::<Option<u16>>().unwrap()), ("Invalid namespace", None));
}

#[tokio::test(start_paused = true)]
async fn one_connection_joins_several_namespaces() {
    let (io, reasons) = noting();
    let news = io.of("/news");
    news.on("read", async |Data(n): Data<u32>| Reply(n));
    let mut alice = TestClient::connect(&io).await;
    let mut reader = alice.join("/news", ()).await.unwrap();
    assert_eq!(io.sockets()[0].client().sockets().len(), 2);

    io.emit("root", 1);
    news.emit("news", 2);
    assert_eq!(reader.expect::<u32>("news").await, 2);
    assert_eq!(alice.expect::<u32>("root").await, 1);
    reader.expect_nothing().await;
    alice.expect_nothing().await;
    assert_eq!(reader.emit_with_ack::<u32>("read", 3).await.unwrap(), 3);

    // One leaves, and the connection stands for the other; it can come back.
    reader.disconnect().await;
    assert!(!reader.is_connected() && alice.is_connected());
    assert!(news.sockets().is_empty());
    let back = alice.join("news", ()).await.unwrap();
    assert_ne!(back.id(), reader.id());
    alice.disconnect().await;
    assert_eq!(reasons(), ["client namespace disconnect"]);
    assert_eq!(news.sockets().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_last_namespace_closes_the_connection() {
    let (io, reasons) = noting();
    let mut alice = TestClient::connect(&io).await;
    let socket = io.sockets().remove(0);
    alice.disconnect().await;
    assert_eq!(reasons(), ["client namespace disconnect"]);
    assert!(!socket.conn().is_open());
    alice.expect_nothing().await;
    assert_eq!(alice.expect_disconnect().await, DisconnectReason::ClientNamespaceDisconnect);
    alice.disconnect().await;
    assert_eq!(reasons().len(), 1, "nothing happens the second time");
}

#[tokio::test(start_paused = true)]
async fn a_connection_breaks_for_the_reason_of_the_test() {
    for reason in
        [DisconnectReason::TransportClose, DisconnectReason::TransportError, DisconnectReason::PingTimeout]
    {
        let (io, reasons) = noting();
        let mut alice = TestClient::connect(&io).await;
        let _ = io.of("/news");
        let mut news = alice.join("/news", ()).await.unwrap();
        io.emit("on its way", ());
        alice.lose(reason).await;
        assert_eq!(reasons(), [reason.as_str()]);
        alice.expect_nothing().await;
        assert_eq!(alice.expect_disconnect().await, reason);
        assert_eq!(news.expect_disconnect().await, reason);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_client_of_a_connection_closes_it() {
    let (io, reasons) = noting();
    let _ = io.of("/news");
    let alice = TestClient::connect(&io).await;
    let news = alice.join("/news", ()).await.unwrap();
    drop(alice);
    settle().await;
    assert_eq!(io.sockets().len(), 1);
    drop(news);
    settle().await;
    assert_eq!(reasons(), ["transport close"]);
}

#[tokio::test(start_paused = true)]
async fn no_task_outlives_its_connection() {
    let io = server();
    let metrics = tokio::runtime::Handle::current().metrics();
    let n_tasks = metrics.num_alive_tasks();
    let alice = TestClient::connect(&io).await;
    assert_eq!(metrics.num_alive_tasks(), n_tasks + 1);
    drop(alice);
    settle().await;
    assert_eq!(metrics.num_alive_tasks(), n_tasks);
}

#[tokio::test(start_paused = true)]
async fn the_server_makes_a_client_leave() {
    let (io, reasons) = noting();
    io.on("kick", async |socket: Socket| {
        socket.emit("bye", ());
        socket.disconnect();
    });
    io.on("close", async |socket: Socket| socket.client().close());
    for event in ["kick", "close"] {
        let mut alice = TestClient::connect(&io).await;
        let socket = io.sockets().remove(0);
        alice.emit(event, ());
        assert_eq!(alice.expect_disconnect().await, DisconnectReason::ServerNamespaceDisconnect);
        if event == "kick" {
            alice.expect::<()>("bye").await;
        }
        settle().await;
        assert!(!socket.conn().is_open(), "nothing is left to keep it open for");
    }
    assert_eq!(reasons(), ["server namespace disconnect"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_reaches_clients_after_what_was_sent() {
    let (io, reasons) = noting();
    io.on("slow", async |socket: Socket| {
        tokio::time::sleep(Duration::from_secs(2)).await;
        socket.emit("done", ());
        Reply(1)
    });
    let mut alice = TestClient::connect(&io).await;
    let answer = alice.emit_with_ack::<u8>("slow", ());
    io.shutdown(Duration::from_secs(10)).await;
    assert_eq!(answer.await.unwrap(), 1);
    alice.expect::<()>("done").await;
    assert_eq!(alice.expect_disconnect().await, DisconnectReason::ServerShuttingDown);
    assert_eq!(reasons(), ["server shutting down"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_leaves_while_a_handler_runs() {
    let (io, reasons) = noting();
    io.on("slow", async |socket: Socket| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        socket.emit("late", ());
        socket.broadcast().emit("still", ());
    });
    let mut alice = TestClient::connect(&io).await;
    let mut bob = TestClient::connect(&io).await;
    alice.emit("slow", ());
    alice.disconnect();
    bob.expect::<()>("still").await;
    alice.expect_nothing().await;
    assert_eq!(reasons(), ["client namespace disconnect"]);
}

#[test]
fn a_client_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (io, reasons) = noting();
    let alice = runtime.block_on(TestClient::connect(&io));
    drop(runtime);
    drop(alice);
    assert!(io.sockets().is_empty());
    assert!(reasons().is_empty(), "there is nothing left to run the handler");
}
