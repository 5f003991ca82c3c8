//! Many clients lose their connections and come back, over and over, while the server talks to them: whoever continues its
//! session has missed nothing, got nothing twice, and nothing that was not for it.
//!
//! The server talks from one task ([`talk`]), which writes down for whom each event is ([`expected`]); the clients
//! ([`client`]) hold what they get against that. A run depends on its seed, which it prints and takes from `SOAK_SEED`,
//! and on the scheduler.

mod client;
mod expected;
mod random;
mod talk;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socketio_server::{Recovery, Server, Socket};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use client::{Client, Tally};
use expected::Expected;
use random::Random;
use talk::Talk;

/// How a run is made. All times are in milliseconds.
struct Plan {
    clients: usize,
    /// How often each of them loses its connection.
    losses: usize,
    /// How long it is there before that.
    present: Range<u64>,
    /// How long it is gone.
    absent: Range<u64>,
    /// How long it may be gone.
    window: u64,
    /// Who is back that much before the end of the window must be known, and who is back that much later must not.
    tolerance: u64,
    events_per_second: u32,
}

const SHORT: Plan = Plan {
    clients: 40,
    losses: 4,
    present: 50..200,
    absent: 50..200,
    window: 1_000,
    tolerance: 150,
    events_per_second: 1_000,
};

const LONG: Plan = Plan {
    clients: 500,
    losses: 20,
    present: 1_000..5_000,
    absent: 1_000..5_000,
    window: 10_000,
    tolerance: 1_000,
    events_per_second: 5_000,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn timing_whoever_continues_has_missed_nothing() {
    run(SHORT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes two minutes: cargo xtask soak"]
async fn soak_whoever_continues_has_missed_nothing() {
    run(LONG).await;
}

async fn run(plan: Plan) {
    let seed = seed();
    println!("SOAK_SEED={seed}");
    let mut random = Random::new(seed);
    let expected = Arc::new(Expected::of(plan.clients));
    let plan = Arc::new(plan);
    let (arrivals, arrived) = mpsc::channel(plan.clients);
    let io = server(&plan, arrivals);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let serving = tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });

    let started = Instant::now();
    let is_over = Arc::new(AtomicBool::new(false));
    let talk = Talk::new(&io, &plan, &expected, random.fork());
    let talking = tokio::spawn(talk.run(arrived, Arc::clone(&is_over)));
    let watching = tokio::spawn(watch(io.clone(), Arc::clone(&is_over)));
    let mut clients = JoinSet::new();
    let (done, mut all_done) = mpsc::channel::<()>(1);
    for idx in 0..plan.clients {
        let client = Client::new(idx, address, &plan, &expected, random.fork());
        clients.spawn(client.run(done.clone()));
    }
    drop(done);
    // Nothing is sent: it ends when every client has dropped its sender, because it will not go any more.
    assert_eq!(all_done.recv().await, None);
    is_over.store(true, Ordering::Release);
    let n_events = talking.await.expect("the talk ends");
    watching.await.expect("no session has two sockets");

    let mut total = Tally::default();
    while let Some(tally) = clients.join_next().await {
        total.add(&tally.expect("the client ends"));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{n_events} events in {seconds:.1} s; {total:#?}");
    io.close().await;
    serving.await.expect("no panic").expect("it serves to the end");

    assert_eq!(total.flaws, [""; 0], "with SOAK_SEED={seed}");
    assert!(total.asked_again * 1_000 <= total.losses, "{} were not answered", total.asked_again);
    let inside = total.back_in_time;
    assert!(
        inside > 0 && total.taken_over > 0 && total.without_offset > 0,
        "the plan covers all kinds of loss"
    );
    assert!(total.recovered * 1_000 >= inside * 999, "{} of {inside} are known again", total.recovered);
}

fn seed() -> u64 {
    match std::env::var("SOAK_SEED") {
        Ok(seed) => seed.parse().expect("SOAK_SEED is a number"),
        Err(_) => {
            std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |time| u64::from(time.subsec_nanos()))
        }
    }
}

/// A server that tells of each client that joins: its number, and its socket.
fn server(plan: &Plan, arrivals: mpsc::Sender<(usize, Socket)>) -> Server {
    let recovery = Recovery::default()
        .max_disconnection_duration(Duration::from_millis(plan.window))
        .max_events(1_000_000);
    let io =
        Server::builder().connection_state_recovery(recovery).build().expect("these options fit together");
    io.on_connect(move |socket: Socket| {
        let arrivals = arrivals.clone();
        async move {
            let auth: serde_json::Value = socket.auth().expect("JSON");
            let idx = auth["client"].as_u64().and_then(|idx| usize::try_from(idx).ok());
            // At the end nobody listens any more.
            let _ = arrivals.send((idx.expect("its number"), socket)).await;
        }
    });
    io
}

/// Looks all the time whether two sockets have the same id.
async fn watch(io: Server, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Acquire) {
        let sockets = io.sockets();
        let ids: HashSet<&str> = sockets.iter().map(|socket| socket.id().as_str()).collect();
        assert_eq!(ids.len(), sockets.len(), "two sockets have one id");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
