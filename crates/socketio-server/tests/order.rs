//! Events of one socket start in the order in which they came, and are sent in the order of their emits.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_server::engine::Flow;
use socketio_server::{Data, Server, Socket};
use support::{Notes, Peer, build, server};

/// Enough for every interleaving of eight threads to have its chance.
const N_EVENTS: u64 = 1_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn events_of_one_socket_start_in_order_on_eight_threads() {
    let io = server();
    let next = Arc::new(AtomicU64::new(0));
    let n_disordered = Arc::new(AtomicU64::new(0));
    let n_done = Arc::new(AtomicU64::new(0));
    let (seen, disordered, done) = (Arc::clone(&next), Arc::clone(&n_disordered), Arc::clone(&n_done));
    io.on("e", move |Data(n): Data<u64>| {
        // What runs before the first await is the start.
        if seen.swap(n + 1, Ordering::SeqCst) != n {
            disordered.fetch_add(1, Ordering::SeqCst);
        }
        let done = Arc::clone(&done);
        async move {
            // Some are ready at once, some have to be spawned.
            if n % 3 == 0 {
                tokio::task::yield_now().await;
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut peer = Peer::join(&io);
    let feeding = tokio::spawn(async move {
        for n in 0..N_EVENTS {
            if peer.offer(&format!(r#"2["e",{n}]"#)) == Flow::Pause {
                let n_resumed = peer.n_resumed();
                while peer.n_resumed() == n_resumed {
                    tokio::task::yield_now().await;
                }
            }
            if n % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
        peer
    });
    let peer = feeding.await.unwrap();
    while n_done.load(Ordering::SeqCst) < N_EVENTS {
        tokio::task::yield_now().await;
    }
    assert_eq!(n_disordered.load(Ordering::SeqCst), 0);
    assert_eq!(next.load(Ordering::SeqCst), N_EVENTS);
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn parked_events_start_in_order() {
    let io = build(Server::builder().max_running_handlers(2));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move |Data(n): Data<u64>| {
        noted.add(n.to_string());
        // The later ones are the faster ones.
        tokio::time::sleep(Duration::from_millis(100 - n))
    });
    let mut peer = Peer::join(&io);
    for n in 0..50 {
        peer.send(&format!(r#"2["e",{n}]"#));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(notes.take(), (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn with_one_handler_at_a_time_events_are_strictly_sequential() {
    let io = build(Server::builder().max_running_handlers(1));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move |Data(n): Data<u64>| {
        let noted = noted.clone();
        async move {
            noted.add(format!("{n} starts"));
            tokio::time::sleep(Duration::from_millis(10)).await;
            noted.add(format!("{n} ends"));
        }
    });
    let mut peer = Peer::join(&io);
    for n in 0..10 {
        peer.send(&format!(r#"2["e",{n}]"#));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let expected: Vec<_> = (0..10).flat_map(|n| [format!("{n} starts"), format!("{n} ends")]).collect();
    assert_eq!(notes.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn direct_emits_broadcasts_and_acks_of_one_task_arrive_in_its_order() {
    let io = server();
    io.on("go", async |socket: Socket, io: Server, ack: socketio_server::Ack| {
        socket.emit("e", 1);
        io.emit("e", 2);
        io.to(socket.id()).emit("e", 3);
        ack.send(4);
        socket.emit("e", 5);
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"20["go"]"#);
    assert_eq!(peer.take(), [r#"2["e",1]"#, r#"2["e",2]"#, r#"2["e",3]"#, "30[4]", r#"2["e",5]"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_sent_after_the_farewell() {
    for _ in 0..200 {
        let io = server();
        let mut peer = Peer::join(&io);
        let socket = io.sockets().remove(0);
        let emitting: Vec<_> = (0..3)
            .map(|_| {
                let io = io.clone();
                tokio::spawn(async move {
                    for _ in 0..20 {
                        io.emit("e", ());
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        socket.disconnect();
        for task in emitting {
            task.await.unwrap();
        }
        let received = peer.take();
        let farewell = received.iter().position(|text| text == "1");
        assert_eq!(farewell, Some(received.len() - 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_sent_before_the_welcome() {
    let io = server();
    let stop = Arc::new(Mutex::new(false));
    let emitting = {
        let (io, stop) = (io.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            while !*stop.lock().unwrap() {
                io.emit("e", ());
                tokio::task::yield_now().await;
            }
        })
    };
    for _ in 0..500 {
        let mut peer = Peer::open(&io);
        peer.send("0");
        assert!(peer.take()[0].starts_with("0{"));
    }
    *stop.lock().unwrap() = true;
    emitting.await.unwrap();
}
