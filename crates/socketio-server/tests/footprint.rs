//! What an idle client costs this crate.

mod support;

use support::{Peer, server};
use test_support::heap;

#[global_allocator]
static ALLOCATOR: heap::Counting = heap::COUNTING;

/// The heap is that of the process, so only one test may use it at a time.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const N_CLIENTS: i64 = 1000;

#[tokio::test(start_paused = true)]
async fn an_idle_client_costs_a_kibibyte_and_no_task() {
    let _alone = ALONE.lock().await;
    let io = server();
    let metrics = tokio::runtime::Handle::current().metrics();
    // Tables grow in steps: the first clients pay for more than themselves.
    let first: Vec<Peer> = (0..N_CLIENTS).map(|_| Peer::join(&io)).collect();
    let n_tasks = metrics.num_alive_tasks();
    let (clients, cost) = heap::cost_of(|| (0..N_CLIENTS).map(|_| Peer::join(&io)).collect::<Vec<_>>());
    assert!(cost.live_bytes / N_CLIENTS <= 1200, "{cost:?}");
    assert!(cost.live_blocks / N_CLIENTS <= 6, "{cost:?}");
    assert_eq!(metrics.num_alive_tasks(), n_tasks);

    let idle = heap::Heap::now();
    for peer in clients {
        drop(peer);
    }
    let freed = idle - heap::Heap::now();
    // A few blocks are tables, which stay for the next clients.
    assert!(freed.live_blocks + 10 > cost.live_blocks, "{freed:?} of {cost:?}");
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn a_burst_leaves_nothing_behind() {
    let _alone = ALONE.lock().await;
    let io = support::build(socketio_server::Server::builder().max_running_handlers(1));
    io.on("slow", || tokio::time::sleep(std::time::Duration::from_millis(1)));
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let mut cost = heap::Heap::now();
    for round in 0..3 {
        for _ in 0..500 {
            peer.send(r#"2["slow"]"#);
        }
        let waiting: Vec<_> = (0..500).map(|_| socket.emit_with_ack::<()>("e", ())).collect();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        drop(waiting);
        drop(peer.take());
        let now = heap::Heap::now();
        // The first round pays for what the runtime keeps.
        assert!(round == 0 || (now - cost).live_bytes < 4096, "{:?}", now - cost);
        cost = now;
    }
}

/// A packet of a few bytes that says it has 2 GiB to come.
#[cfg(feature = "msgpack")]
#[tokio::test(start_paused = true)]
async fn a_length_that_is_only_announced_takes_no_memory() {
    use socketio_server::{DisconnectReason, Limits, Parser, Server};

    let _alone = ALONE.lock().await;
    let io = support::build(Server::builder().parser(Parser::Msgpack(Limits::default())));
    let data = b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data";
    let event = [&data[..], b"\x92\xa1e"].concat();
    let (array, map): (&[u8], &[u8]) = (b"\xdd\x7f\xff\xff\xff\xa1e", b"\xdf\x7f\xff\xff\xff\xa1e");
    let (text, bytes, extension): (&[u8], &[u8], &[u8]) =
        (b"\xdb\x7f\xff\xff\xff", b"\xc6\x7f\xff\xff\xff", b"\xc9\x7f\xff\xff\xff\x05");
    for (before, announced) in [
        (&b""[..], map),
        (data, array),
        (&event, array),
        (&event, map),
        (&event, text),
        (&event, bytes),
        (&event, extension),
    ] {
        let frame: &'static [u8] = [before, announced].concat().leak();
        let mut peer = Peer::open(&io);
        peer.send_binary(b"\x82\xa4type\x00\xa3nsp\xa1/");
        assert_eq!(peer.take().len(), 1);
        let ((), cost) = heap::cost_of(|| peer.send_binary(frame));
        assert!(cost.allocated_bytes < 64 * 1024, "{cost:?} for {}", frame.escape_ascii());
        assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
    }
}
