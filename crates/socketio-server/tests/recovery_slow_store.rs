//! Clients that come back before their sessions are kept, because that takes the adapter some time.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine_io_parser::Text;
use socketio_adapter::{
    Adapter, AdapterError, AdapterFactory, BroadcastOptions, LocalNode, Outgoing, Receipt, Restored, Session,
    SessionAwareAdapterFactory, SocketId,
};
use socketio_server::{DisconnectReason, Recovery, Server, Socket};
use support::visitor::Visitor;
use support::{Notes, build, settle};
use tokio::time::Instant;

/// Keeps sessions as slowly as a store in another place; everything else is done by the adapter in memory.
struct SlowStore {
    inner: Arc<dyn Adapter>,
    time: Duration,
}

#[async_trait]
impl Adapter for SlowStore {
    fn node(&self) -> &dyn LocalNode {
        self.inner.node()
    }

    fn broadcast(&self, packet: &Outgoing, options: &BroadcastOptions) -> Receipt {
        self.inner.broadcast(packet, options)
    }

    fn supports_recovery(&self) -> bool {
        true
    }

    fn between_events(&self, change: &mut dyn FnMut(Option<Text>)) {
        self.inner.between_events(change);
    }

    async fn persist_session(&self, session: Session) -> Result<(), AdapterError> {
        tokio::time::sleep(self.time).await;
        self.inner.persist_session(session).await
    }

    async fn restore_session(
        &self,
        private_id: &str,
        offset: Option<&str>,
    ) -> Result<Option<Restored>, AdapterError> {
        self.inner.restore_session(private_id, offset).await
    }
}

fn server(time: Duration, recovery: Recovery) -> Server {
    let adapter = move |node: Arc<dyn LocalNode>| -> Arc<dyn Adapter> {
        Arc::new(SlowStore { inner: SessionAwareAdapterFactory::default().create(node), time })
    };
    build(Server::builder().adapter(adapter).connection_state_recovery(recovery))
}

/// Lets time pass until the claim is answered; returns how long that took, in tenths of a second, and what was missed.
async fn continued(client: &mut Visitor) -> (u128, Option<Vec<String>>) {
    let claimed = Instant::now();
    while !client.peer.has_messages() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (claimed.elapsed().as_millis() / 100, client.continued())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_back_at_once_waits_until_its_session_is_kept() {
    let io = server(Duration::from_secs(1), Recovery::default());
    let mut client = Visitor::join(&io);
    client.lose();
    io.emit("missed", ());
    client.claim(&io);
    io.emit("missed too", ());
    let (time, missed) = continued(&mut client).await;
    assert_eq!(missed, Some(vec![r#"["missed"]"#.to_owned(), r#"["missed too"]"#.to_owned()]));
    assert_eq!(time, 10);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_taken_over_when_its_session_is_kept() {
    let io = server(Duration::from_secs(1), Recovery::default());
    let mut client = Visitor::join(&io);
    io.emit("lost on its way", ());
    let mut old = client.claim(&io);
    assert_eq!(old.notice_close(), Some(DisconnectReason::SessionTakenOver));
    let (time, missed) = continued(&mut client).await;
    assert_eq!(missed, Some(vec![r#"["lost on its way"]"#.to_owned()]));
    assert_eq!(time, 10);
    assert_eq!(io.n_sockets(), 1);
}

/// The claim comes twice, and the first of the two connections is lost as well, before the session is kept again.
#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_it_is_decided_about_waits_again() {
    let io = server(Duration::from_secs(1), Recovery::default());
    let mut client = Visitor::join(&io);
    client.lose();
    settle().await;
    io.use_middleware(async |socket: Socket| {
        if socket.is_recovered() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    client.claim(&io);
    client.lose();
    io.emit("missed", ());
    // The session was kept, and found, and is being kept once more.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    client.claim(&io);
    let (time, missed) = continued(&mut client).await;
    assert_eq!(missed, Some(vec![r#"["missed"]"#.to_owned()]));
    assert_eq!(time, 15);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_costs_the_session_and_five_seconds() {
    let io = server(Duration::from_secs(3_600), Recovery::default());
    let mut client = Visitor::join(&io);
    client.lose();
    client.claim(&io);
    let (time, missed) = continued(&mut client).await;
    assert_eq!((time, missed), (50, None));
}

#[tokio::test(start_paused = true)]
async fn who_has_left_on_purpose_is_not_waited_for() {
    let io = server(Duration::from_secs(1), Recovery::default());
    let mut client = Visitor::join(&io);
    client.peer.send("1");
    assert_eq!(client.come_back(&io), None);
}

/// From the loss of the connection until the client is back, or does not come, it is expected.
#[tokio::test(start_paused = true)]
async fn an_event_for_a_client_that_is_coming_back_is_not_refused() {
    let notes = Notes::default();
    let expired = notes.clone();
    let recovery = Recovery::default()
        .max_disconnection_duration(Duration::from_secs(10))
        .on_expired(move |id: &SocketId| expired.add(id.as_str()));
    let io = server(Duration::from_secs(1), recovery);
    io.use_middleware(async |socket: Socket| {
        if socket.is_recovered() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    });
    let mut client = Visitor::join(&io);
    let socket = client.socket(&io);
    client.lose();
    client.claim(&io);
    let mut expected = Vec::new();
    for n in 0..40 {
        socket.emit("n", n).await.expect("it is expected");
        expected.push(format!(r#"["n",{n}]"#));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(client.continued(), Some(expected));

    let first = client.sid.clone();
    client.lose();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(socket.emit("too late", ()).await.is_err());
    assert_eq!(notes.take(), [first]);
}
