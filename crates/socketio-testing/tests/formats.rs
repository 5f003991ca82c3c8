//! Servers with another format of packets: the client speaks it, too.

use std::collections::HashMap;

use socketio_server::{Auth, Binary, ConnectError, Data, DisconnectReason, Limits, Parser, Reply, Server};
use socketio_testing::TestClient;

type Credentials = HashMap<String, u8>;

fn server(parser: Parser) -> Server {
    let io = Server::builder().parser(parser).build().expect("the defaults fit together");
    io.use_middleware(async |Auth(auth): Auth<Credentials>| match auth.get("pin") {
        Some(7) => Ok(()),
        _ => Err(ConnectError::new("wrong pin").with_data(["a", "b"])),
    });
    io.on("echo", async |Data((text, bytes)): Data<(String, Binary)>| Reply((bytes, text)));
    io
}

#[tokio::test(start_paused = true)]
async fn a_client_speaks_the_format_of_its_server() {
    for parser in [Parser::Json(Limits::default()), Parser::Msgpack(Limits::default())] {
        let io = server(parser);
        let refused = TestClient::builder(&io).connect().await.unwrap_err();
        assert_eq!(
            (refused.message(), refused.data().unwrap()),
            ("wrong pin", ["a".to_owned(), "b".to_owned()])
        );

        let connecting = TestClient::builder(&io).auth(Credentials::from([("pin".to_owned(), 7)])).connect();
        let mut alice = connecting.await.unwrap();
        let (bytes, text): (Binary, String) =
            alice.emit_with_ack("echo", ("é", Binary::from(vec![1]))).await.unwrap();
        assert_eq!((&*bytes, &*text), (&[1][..], "é"));

        io.emit("news", (1, Binary::from(vec![2, 3]), "x"));
        let event = alice.next_event().await;
        assert_eq!(format!("{event:?}"), r#""news"(1, <2 bytes>, "x")"#);

        alice.answer("n?", |n: u8| n + 1);
        let socket = io.sockets().remove(0);
        assert_eq!(socket.emit_with_ack::<u8>("n?", 1).await.unwrap(), 2);
        socket.disconnect();
        assert_eq!(alice.expect_disconnect().await, DisconnectReason::ServerNamespaceDisconnect);
    }
}
