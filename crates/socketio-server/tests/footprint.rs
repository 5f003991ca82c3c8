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
