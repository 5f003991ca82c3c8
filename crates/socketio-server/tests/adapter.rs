//! What adapters may expect of a server.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use socketio_adapter::{
    Adapter, AdapterError, AdapterErrorKind, AdapterFactory, InMemoryAdapter, LocalNode, Restored,
};
use socketio_server::{AdapterFixed, Recovery, Server, Socket};
use support::{Notes, Peer, build, settle};

/// Needs some time to connect.
struct Slow {
    node: Arc<dyn LocalNode>,
    notes: Notes,
    time: Option<Duration>,
}

#[async_trait]
impl Adapter for Slow {
    fn node(&self) -> &dyn LocalNode {
        &*self.node
    }

    async fn init(&self) -> Result<(), AdapterError> {
        self.notes.add(format!("init of {}", self.node.namespace()));
        match self.time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
        Err(AdapterErrorKind::LinkDown.into())
    }

    async fn close(&self) -> Result<(), AdapterError> {
        self.notes.add(format!("close of {}", self.node.namespace()));
        Ok(())
    }
}

fn server(notes: &Notes, time: Option<Duration>) -> Server {
    build(Server::builder().adapter(slow(notes, time)))
}

fn slow(notes: &Notes, time: Option<Duration>) -> impl AdapterFactory + use<> {
    let notes = notes.clone();
    move |node: Arc<dyn LocalNode>| -> Arc<dyn Adapter> {
        Arc::new(Slow { node, notes: notes.clone(), time })
    }
}

#[tokio::test(start_paused = true)]
async fn it_connects_with_its_namespace_and_clients_wait_for_it() {
    let notes = Notes::default();
    let io = server(&notes, Some(Duration::from_secs(1)));
    let _ = io.of("/chat");
    assert_eq!(notes.take(), ["init of /", "init of /chat"]);
    let mut peer = Peer::open(&io);
    peer.send("0");
    settle().await;
    assert_eq!(peer.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(peer.take().len(), 1, "an error is logged, and this node goes on alone");
    Peer::join(&io);
    assert_eq!(notes.take(), Vec::<String>::new());
    io.shutdown(Duration::from_secs(1)).await;
    assert_eq!(notes.take(), ["close of /", "close of /chat"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_never_connects_holds_clients_up_for_five_seconds() {
    let io = server(&Notes::default(), None);
    let mut peer = Peer::open(&io);
    peer.send("0");
    tokio::time::sleep(Duration::from_millis(4900)).await;
    assert_eq!(peer.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(peer.take().len(), 1);
}

#[test]
fn outside_of_a_runtime_it_connects_with_the_first_client() {
    let notes = Notes::default();
    let io = server(&notes, Some(Duration::from_millis(1)));
    assert_eq!(notes.take(), Vec::<String>::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut peers = [Peer::open(&io), Peer::open(&io)];
        for peer in &mut peers {
            peer.send("0");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(notes.take(), ["init of /"]);
        assert_eq!(io.n_sockets(), 2);
    });
}

#[tokio::test(start_paused = true)]
async fn it_can_be_changed_until_the_first_connection_and_namespaces_keep_their_handlers() {
    let (before, after) = (Notes::default(), Notes::default());
    let io = server(&before, Some(Duration::from_secs(1)));
    let chat = io.of("/chat");
    chat.on("hello", async |socket: Socket| drop(socket.emit("welcome", ())));
    assert_eq!(before.take(), ["init of /", "init of /chat"]);
    io.set_adapter(slow(&after, Some(Duration::from_secs(3)))).unwrap();
    settle().await;
    let mut closed = before.take();
    closed.sort();
    assert_eq!(closed, ["close of /", "close of /chat"]);
    let mut inits = after.take();
    inits.sort();
    assert_eq!(inits, ["init of /", "init of /chat"]);
    let _ = io.of("/later");
    assert_eq!(after.take(), ["init of /later"]);

    let mut peer = Peer::open(&io);
    assert_eq!(io.set_adapter(slow(&before, None)), Err(AdapterFixed));
    peer.send("0/chat,");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), Vec::<String>::new(), "that the old one has connected does not count");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take().len(), 1, "the answer to CONNECT");
    peer.send(r#"2/chat,["hello"]"#);
    assert_eq!(peer.take(), [r#"2/chat,["welcome"]"#]);
    assert_eq!(before.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_it_hears_that_it_could_not_connect() {
    let notes = Notes::default();
    let io = server(&notes, Some(Duration::from_secs(60)));
    let start = tokio::time::Instant::now();
    let error = io.ready().await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed().as_secs()), (AdapterErrorKind::LinkDown, 60));
    assert_eq!(io.of("/").ready().await.unwrap_err().kind(), AdapterErrorKind::LinkDown, "it stays known");

    io.close().await;
    io.reopen();
    let start = tokio::time::Instant::now();
    assert!(io.ready().await.is_err());
    assert_eq!(start.elapsed().as_secs(), 60, "it connects anew after a close");

    assert!(support::server().ready().await.is_ok(), "a server that stands alone is ready");
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_has_failed_to_connect() {
    struct Panics(Arc<dyn LocalNode>);
    #[async_trait]
    impl Adapter for Panics {
        fn node(&self) -> &dyn LocalNode {
            &*self.0
        }

        async fn init(&self) -> Result<(), AdapterError> {
            panic!("no engine")
        }
    }
    let factory = |node: Arc<dyn LocalNode>| -> Arc<dyn Adapter> { Arc::new(Panics(node)) };
    let io = build(Server::builder().adapter(factory));
    let error = io.ready().await.unwrap_err();
    assert_eq!(error.kind(), AdapterErrorKind::Engine);
    Peer::join(&io);
}

/// Could keep sessions, and notes when it is asked for one.
struct Keeping {
    inner: InMemoryAdapter,
    notes: Notes,
}

#[async_trait]
impl Adapter for Keeping {
    fn node(&self) -> &dyn LocalNode {
        self.inner.node()
    }

    fn supports_recovery(&self) -> bool {
        true
    }

    async fn restore_session(&self, _: &str, _: Option<&str>) -> Result<Option<Restored>, AdapterError> {
        self.notes.add("asked");
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_sessions_only_if_the_server_is_to_recover_them() {
    for (is_on, expected) in [(true, &["asked"][..]), (false, &[])] {
        let notes = Notes::default();
        let noted = notes.clone();
        let mut builder = Server::builder().adapter(move |node: Arc<dyn LocalNode>| -> Arc<dyn Adapter> {
            Arc::new(Keeping { inner: InMemoryAdapter::new(node), notes: noted.clone() })
        });
        if is_on {
            builder = builder.connection_state_recovery(Recovery::default());
        }
        let io = build(builder);
        let mut peer = Peer::open(&io);
        peer.send(r#"0{"pid":"unknown","offset":"1"}"#);
        settle().await;
        assert_eq!(peer.take().len(), 1);
        assert_eq!(notes.take(), expected, "{is_on}");
    }
}
