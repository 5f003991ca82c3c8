//! Slow clients, and servers that take no more.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::{Binary, Data, DisconnectReason, EmitError, Reply, Server, Socket, State};
use socketio_testing::TestClient;

/// So that several fit below a limit, and the limit is reached soon.
const PIECE: usize = 256 * 1024;

fn piece() -> Binary {
    Binary::from(vec![0; PIECE])
}

fn server() -> Server {
    Server::builder().build().expect("the defaults fit together")
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_misses_volatile_events_and_nothing_else() {
    let io = server();
    let mut alice = TestClient::connect(&io).await;
    let socket = io.sockets().remove(0);
    socket.volatile().emit("tick", 1);
    assert_eq!(alice.expect::<u32>("tick").await, 1);

    alice.stop_reading();
    socket.volatile().emit("tick", 2);
    socket.emit("kept", 3);
    alice.expect_nothing_for(Duration::from_secs(60)).await;
    alice.resume_reading();
    assert_eq!(alice.expect::<u32>("kept").await, 3);
    alice.expect_nothing().await;
    socket.volatile().emit("tick", 4);
    assert_eq!(alice.expect::<u32>("tick").await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_volatile_event_right_behind_another_finds_the_client_busy() {
    let io = server();
    io.on("both", async |socket: Socket| {
        socket.emit("first", ());
        socket.volatile().emit("second", ());
    });
    let mut alice = TestClient::connect(&io).await;
    alice.emit("both", ());
    alice.expect::<()>("first").await;
    alice.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn above_a_mebibyte_an_awaited_emit_waits_until_the_client_reads() {
    let n_sent = Arc::new(AtomicU32::new(0));
    let io = Server::builder().state(Arc::clone(&n_sent)).build().unwrap();
    io.on("send", async |socket: Socket, n_sent: State<Arc<AtomicU32>>| -> Result<(), EmitError> {
        for _ in 0..8 {
            socket.emit("piece", piece()).await?;
            n_sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let mut alice = TestClient::connect(&io).await;
    alice.stop_reading();
    alice.emit("send", ()).await;
    // The fourth piece, with what frames it, is the first that goes past the limit.
    assert_eq!(n_sent.load(Ordering::Relaxed), 3);
    alice.resume_reading().await;
    assert_eq!(n_sent.load(Ordering::Relaxed), 8);
    for _ in 0..8 {
        assert_eq!(alice.expect::<Binary>("piece").await.len(), PIECE);
    }
}

#[tokio::test(start_paused = true)]
async fn past_sixteen_mebibytes_the_connection_ends() {
    let io = server();
    let mut alice = TestClient::connect(&io).await;
    let mut bob = TestClient::connect(&io).await;
    io.on_disconnect(async |socket: Socket, reason: DisconnectReason| {
        socket.broadcast().emit("left", reason.as_str());
    });
    let socket = io.sockets().into_iter().find(|socket| socket.id().as_str() == alice.id()).unwrap();
    alice.stop_reading();
    for _ in 0..63 {
        socket.emit("piece", piece()).into_local_result().unwrap();
    }
    assert!(alice.is_connected() && socket.is_connected());
    let result = socket.emit("piece", piece()).into_local_result();
    assert!(matches!(result, Err(EmitError::SlowConsumer)), "{result:?}");
    assert_eq!(alice.expect_disconnect().await, DisconnectReason::SlowConsumer);
    assert_eq!(bob.expect::<String>("left").await, "slow consumer");
    alice.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn one_message_of_any_size_fits_an_empty_outbox() {
    let io = server();
    let mut alice = TestClient::connect(&io).await;
    io.emit("large", Binary::from(vec![0; 17 << 20]));
    assert_eq!(alice.expect::<Binary>("large").await.len(), 17 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_more_is_sent_the_rest_later_and_in_order() {
    let seen = Arc::new(Mutex::new(Vec::<u32>::new()));
    let builder = Server::builder().state(Arc::clone(&seen));
    let io = builder.max_running_handlers(1).max_parked_bytes(1000).build().unwrap();
    io.on("slow", async |Data(n): Data<u32>, seen: State<Arc<Mutex<Vec<u32>>>>| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen.lock().unwrap().push(n);
        Reply(())
    });
    let alice = TestClient::connect(&io).await;
    let answers: Vec<_> = (0..40_u32).map(|n| alice.emit_with_ack::<()>("slow", n)).collect();
    for answer in answers {
        answer.await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), (0..40).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_a_server_does_not_read_is_lost_with_the_connection() {
    let reasons = Arc::new(Mutex::new(Vec::<&str>::new()));
    let builder = Server::builder().state(Arc::clone(&reasons));
    let io = builder.max_running_handlers(1).max_parked_bytes(1).build().unwrap();
    io.on("slow", async || tokio::time::sleep(Duration::from_secs(100)).await);
    io.on_disconnect(async |reason: DisconnectReason, reasons: State<Arc<Mutex<Vec<&'static str>>>>| {
        reasons.lock().unwrap().push(reason.as_str());
    });
    // The first event runs, the second fills what the server keeps, and it does not read the third.
    for n_events in 1..=3 {
        let mut alice = TestClient::connect(&io).await;
        for _ in 0..n_events {
            alice.emit("slow", ());
        }
        alice.disconnect().await;
        assert!(io.sockets().is_empty());
    }
    assert_eq!(
        *reasons.lock().unwrap(),
        ["client namespace disconnect", "transport close", "transport close"],
        "the farewell is among what was not read"
    );
}
