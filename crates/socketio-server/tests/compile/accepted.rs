//! What may be written. That it compiles is most of each test: the annotations are the types that there must be.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use socketio_adapter::{Adapter, InMemoryAdapter, InMemoryAdapterFactory, LocalNode};
use socketio_server::handler::{DisconnectDetail, EventName, Rooms};
use socketio_server::{
    Ack, AckError, Acks, Args, Auth, Binary, Broadcast, ConnectError, Data, DisconnectReason, EmitError,
    Handshake, IncomingEvent, Namespace, RemoteSocket, Reply, Server, ServerReplies, Socket,
};

use crate::support::{Peer, build, server};

fn join(io: &Server) -> (Peer, Socket) {
    (Peer::join(io), io.sockets().remove(0))
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_socket_has_methods_with_typed_arguments() {
    async fn connected(_: Socket, _: Handshake, _: Auth<HashMap<String, Value>>) {}
    async fn leaving(_: Socket, _: DisconnectReason, _: DisconnectDetail, _: Rooms) -> Result<(), String> {
        Ok(())
    }
    async fn authenticate(_: Socket, _: Auth<Value>) -> Result<(), ConnectError> {
        Ok(())
    }
    let io = server();
    io.use_middleware(authenticate)
        .on_connect(connected)
        .on_disconnecting(leaving)
        .on_disconnect(leaving)
        .on_error(|socket, event, error| println!("{} {event} {error}", socket.id()));
    io.on_new_namespace(|namespace| println!("{}", namespace.name()));
    let (_peer, socket) = join(&io);
    socket.on_disconnecting(leaving);
    socket.on_disconnect(leaving);
}

#[tokio::test(start_paused = true)]
async fn handlers_of_events_say_what_they_take_or_take_anything() {
    async fn typed(_: Data<(i32, String, Option<bool>)>) -> Reply<(i32, bool)> {
        Reply((1, true))
    }
    async fn anything(_: EventName, _: Args, _: Ack) {}
    async fn any_values(Data(values): Data<Vec<Value>>) -> Result<Reply<Value>, AckError> {
        Ok(Reply(json!(values)))
    }
    async fn look(event: IncomingEvent) -> Result<Option<IncomingEvent>, EmitError> {
        Ok(Some(event))
    }
    let io = server();
    io.on("typed", typed).on("anything", anything).on("values", any_values).on_any(anything);
    io.use_event_middleware(look);
    let (_peer, socket) = join(&io);
    socket.use_middleware(look);
    let handlers = [socket.on("typed", typed), socket.once("typed", typed), socket.on_any(anything)];
    assert!(handlers.into_iter().all(|handler| socket.off(handler)));
}

#[tokio::test(start_paused = true)]
async fn events_can_be_named_by_an_enum() {
    #[derive(Clone, Copy)]
    enum Event {
        Question,
        Answer,
    }
    impl Event {
        const fn name(self) -> &'static str {
            match self {
                Self::Question => "question",
                Self::Answer => "answer",
            }
        }
    }
    impl From<Event> for String {
        fn from(event: Event) -> Self {
            event.name().to_owned()
        }
    }
    let io = server();
    io.on(Event::Question, async |socket: Socket| socket.emit(Event::Answer.name(), 42));
    let (mut peer, _) = join(&io);
    peer.send(r#"2["question"]"#);
    assert_eq!(peer.take(), [r#"2["answer",42]"#]);
}

#[tokio::test(start_paused = true)]
async fn whatever_serializes_can_be_sent_from_everywhere() -> Result<(), EmitError> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        name: &'a str,
        bytes: Binary,
    }
    let io = server();
    let (mut peer, socket) = join(&io);
    let name = String::from("ada");
    let borrowed = Borrowed { name: &name, bytes: Binary::from(vec![1]) };
    socket.emit("e", &borrowed).await?;
    socket.emit("e", ()).await?;
    socket.emit("e", (1, "two", [3.0], Some('4'), None::<u8>, json!({ "six": [] }))).await?;
    socket.emit("e", HashMap::from([("key", vec![1])])).await?;
    socket.send(&name).await?;
    socket.volatile().emit("e", &borrowed).await?;
    io.send((1, &name)).await?;
    io.to("room").emit("e", &borrowed).await?;
    io.server_side_emit("e", &borrowed).await?;
    assert_eq!(peer.take().len(), 9, "two of seven have an attachment");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_type_of_an_answer_is_what_is_expected_of_it() {
    #[derive(serde::Deserialize)]
    struct Sum(u32);
    async fn add(socket: &Socket) -> Result<Sum, AckError> {
        socket.emit_with_ack("add", (1, 2)).await
    }
    let io = server();
    let (mut peer, socket) = join(&io);
    let several = socket.timeout(Duration::from_secs(1)).emit_with_ack::<(u8, Option<String>)>("e", ());
    let (sum, several) = tokio::join!(add(&socket), async {
        tokio::task::yield_now().await;
        assert_eq!(peer.take(), [r#"20["e"]"#, r#"21["add",1,2]"#]);
        peer.send("30[4]");
        peer.send("31[3]");
        several.await
    });
    assert_eq!((sum.unwrap().0, several.unwrap()), (3, (4, None)));

    let all = io.to("nobody").timeout(Duration::from_secs(1)).emit_with_ack("e", 1);
    let all: Acks<Value> = all.await.unwrap();
    let values: Vec<Value> = all.into_values();
    assert!(values.is_empty());
    let servers: ServerReplies<Vec<String>> = io.server_side_emit_with_ack("e", 1).await.unwrap();
    let values: Vec<Vec<String>> = servers.into_values();
    assert!(values.is_empty());
    let found: Vec<RemoteSocket> = io.fetch_sockets().await.sockets;
    let error = found[0].timeout(Duration::ZERO).emit_with_ack::<u32>("e", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_address_sockets_leads_to_the_same_operator() {
    /// All that an operator can do, whichever way it came from.
    async fn check(operator: Broadcast) {
        let again: Broadcast = operator.to("a").within(["b"]).except(vec!["c"]).volatile().local();
        let again = again.timeout(Duration::from_millis(1));
        again.clone().emit("e", 1).await.unwrap();
        let _: Vec<u32> = again.clone().emit_with_ack("e", ()).await.unwrap().into_values();
        again.clone().sockets_join("d").await.unwrap();
        again.clone().sockets_leave(["d"]).await.unwrap();
        let _: Vec<Socket> = again.sockets();
        let _: Vec<RemoteSocket> = again.clone().fetch_sockets().await.sockets;
        assert!(again.clone().all_sockets().await.ids.is_empty());
        again.clone().disconnect_sockets().await.unwrap();
        again.disconnect_clients().await.unwrap();
    }
    let io = server();
    let (_peer, socket) = join(&io);
    let second = Duration::from_secs(1);
    for namespace in [io.of("/"), io.of("/chat"), io.of_pattern("/{room}")] {
        let namespace: Namespace = namespace;
        for operator in [namespace.all(), namespace.to("a"), namespace.within("a"), namespace.except("a")] {
            check(operator).await;
        }
        for operator in [namespace.volatile(), namespace.local(), namespace.timeout(second)] {
            check(operator).await;
        }
    }
    for operator in
        [socket.broadcast(), socket.to("a"), socket.within("a"), socket.except("a"), socket.local()]
    {
        check(operator).await;
    }
}

/// They take what clients' events take, less what belongs to a socket; the two kinds of names do not meet.
#[tokio::test(start_paused = true)]
async fn events_of_servers_have_handlers_of_their_own() {
    async fn count(
        _: Namespace,
        _: Server,
        Data(room): Data<String>,
        _: Args,
        name: EventName,
    ) -> Reply<String> {
        Reply(format!("{} {room}", &*name.0))
    }
    let io = server();
    io.on_server_side("e", count).on("e", async |_: Socket, Data(n): Data<u32>| Reply(n));
    let (mut peer, _) = join(&io);
    peer.send(r#"21["e",5]"#);
    assert_eq!(peer.take(), ["31[5]"]);
}

#[test]
fn an_adapter_comes_from_a_factory_a_function_or_a_closure() {
    fn made(node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        Arc::new(InMemoryAdapter::new(node))
    }
    for builder in [
        Server::builder().adapter(InMemoryAdapterFactory),
        Server::builder().adapter(made),
        Server::builder().adapter(|node| -> Arc<dyn Adapter> { Arc::new(InMemoryAdapter::new(node)) }),
    ] {
        assert_eq!(build(builder).n_sockets(), 0);
    }
}
