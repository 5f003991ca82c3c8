//! A session and a client of it on a virtual clock, with a network of random delays between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_io_parser::{Message, SharedFrame};

use super::outbox::{Outbox, cost};
use super::*;

/// A packet on its way, in either direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Packet {
    Probe,
    Pong,
    Ping,
    Upgrade,
    Noop,
    Close,
    Message(u32),
}

/// Something that arrives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Arrival {
    Get,
    Post(Vec<Packet>),
    WebSocket,
    ToServer(Packet),
    WebSocketLostAtServer,
    GetAnswer(Option<Vec<Packet>>),
    PostAnswer(bool),
    WebSocketOpen(bool),
    ToClient(Packet),
    WebSocketLostAtClient,
    ClientSays,
    ServerSays,
    ServerTimeout,
}

/// How the client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// As a stock client: polls, upgrades, answers pings.
    Upgrades,
    /// Its WebSocket breaks before it took over.
    LosesProbe,
    /// Polls for ever.
    Polls,
    /// Falls silent after its first poll.
    Vanishes,
}

struct Sim {
    random: u64,
    now: Instant,
    n_events: u64,
    events: BinaryHeap<Reverse<(Instant, u64, Arrival)>>,
    habit: Habit,
    server: Server,
    client: Client,
}

struct Server {
    machine: Machine,
    outbox: Outbox,
    get: bool,
    /// The number of the WebSocket, and when the last frame to it arrives.
    websocket: Option<u32>,
    fifo: Instant,
    said: u32,
    received: Vec<u32>,
    closed: Option<(CloseReason, Instant)>,
}

struct Client {
    get: bool,
    post: bool,
    phase: Phase,
    outgoing: VecDeque<Packet>,
    fifo: Instant,
    said: u32,
    received: Vec<u32>,
    pings: u32,
    is_silent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Polling,
    Probing,
    /// `3probe` came: no new request; `5` goes out when the running ones are done.
    Pausing,
    Upgraded,
}

impl Sim {
    fn new(seed: u64, habit: Habit) -> Self {
        let now = Instant::now();
        let timing = Arc::new(Timing {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            upgrade_timeout: Duration::from_secs(10),
            grain: Duration::from_millis(2),
        });
        let server = Server {
            machine: Machine::new(Transport::Polling, Protocol::V4, timing, 0, now),
            outbox: Outbox::default(),
            get: false,
            websocket: None,
            fifo: now,
            said: 0,
            received: Vec::new(),
            closed: None,
        };
        let client = Client {
            get: false,
            post: false,
            phase: Phase::Polling,
            outgoing: VecDeque::new(),
            fifo: now,
            said: 0,
            received: Vec::new(),
            pings: 0,
            is_silent: false,
        };
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { random, now, n_events: 0, events: BinaryHeap::new(), habit, server, client }
    }

    /// Runs for a while with `n` messages in either direction.
    fn run(mut self, n: u32, length: Duration) -> Self {
        let end = self.now + length;
        for _ in 0..n {
            let at = Duration::from_millis(self.random(400));
            self.at(self.now + at, Arrival::ClientSays);
            let at = Duration::from_millis(self.random(400));
            self.at(self.now + at, Arrival::ServerSays);
        }
        if matches!(self.habit, Habit::Upgrades | Habit::LosesProbe) {
            self.client.phase = Phase::Probing;
            self.send(Arrival::WebSocket);
        }
        self.settle();
        while let Some(Reverse((at, _, arrival))) = self.events.pop() {
            if at > end {
                break;
            }
            self.now = at;
            self.handle(arrival);
            self.settle();
        }
        self
    }

    fn handle(&mut self, arrival: Arrival) {
        let now = self.now;
        let machine = &mut self.server.machine;
        match arrival {
            Arrival::ServerTimeout => machine.handle_timeout(now),
            Arrival::ClientSays => {
                self.client.outgoing.push_back(Packet::Message(self.client.said));
                self.client.said += 1;
            }
            Arrival::ServerSays => {
                if machine.is_open() {
                    let frame = SharedFrame::text(&self.server.said.to_string());
                    self.server.said += 1;
                    self.server.outbox.push(&[frame]).unwrap();
                }
            }
            Arrival::Get => match machine.handle_get(now) {
                Ok(()) => self.server.get = true,
                Err(_) => self.send(Arrival::GetAnswer(None)),
            },
            Arrival::Post(packets) => {
                let ok = machine.handle_post().is_ok();
                for packet in packets.into_iter().filter(|_| ok) {
                    self.packet_at_server(&packet);
                }
                self.server.machine.handle_post_done();
                self.send(Arrival::PostAnswer(ok));
            }
            Arrival::WebSocket => {
                let number = machine.handle_websocket(now).ok();
                self.server.websocket = number;
                self.send_in_order(Arrival::WebSocketOpen(number.is_some()));
            }
            Arrival::ToServer(packet) => self.frame_at_server(&packet),
            Arrival::WebSocketLostAtServer => {
                if let Some(number) = self.server.websocket.take() {
                    machine.handle_websocket_lost(number, CloseReason::TransportClose);
                }
            }
            Arrival::GetAnswer(packets) => {
                self.client.get = false;
                for packet in packets.into_iter().flatten() {
                    self.client.receive(packet);
                }
                self.client.is_silent |= self.habit == Habit::Vanishes;
            }
            Arrival::PostAnswer(ok) => {
                assert!(ok || self.server.closed.is_some(), "a well-behaved client's POST is taken");
                self.client.post = false;
            }
            Arrival::WebSocketOpen(is_open) => {
                if !is_open {
                    self.client.phase = Phase::Polling;
                } else if self.habit == Habit::LosesProbe {
                    self.client.phase = Phase::Polling;
                    // One half of the lost probes breaks before `2probe`, one half after it.
                    if self.random(2) == 0 {
                        self.send_in_order(Arrival::ToServer(Packet::Probe));
                    }
                    self.send_in_order(Arrival::WebSocketLostAtServer);
                } else {
                    self.send_in_order(Arrival::ToServer(Packet::Probe));
                }
            }
            Arrival::ToClient(Packet::Pong) if self.client.phase == Phase::Probing => {
                self.client.phase = Phase::Pausing;
            }
            Arrival::ToClient(packet) => self.client.receive(packet),
            Arrival::WebSocketLostAtClient => self.client.phase = Phase::Polling,
        }
    }

    fn packet_at_server(&mut self, packet: &Packet) {
        let input = match packet {
            Packet::Message(_) => Input::Message,
            Packet::Pong => Input::Pong,
            Packet::Close => Input::Close,
            other => panic!("no client posts {other:?}"),
        };
        let verdict = self.server.machine.handle_packet(input, self.now);
        if let (Verdict::Deliver, Packet::Message(n)) = (verdict, packet) {
            self.server.received.push(*n);
        }
    }

    fn frame_at_server(&mut self, packet: &Packet) {
        let Some(number) = self.server.websocket else { return };
        if self.server.machine.may_drain_websocket() {
            return self.packet_at_server(packet);
        }
        let input = match packet {
            Packet::Probe => Input::Probe,
            Packet::Upgrade => Input::Upgrade,
            other => panic!("a stock client does not send {other:?} before it has upgraded"),
        };
        match self.server.machine.handle_probe_packet(number, input) {
            ProbeVerdict::Answer => self.send_in_order(Arrival::ToClient(Packet::Pong)),
            ProbeVerdict::Upgraded => {}
            ProbeVerdict::Wait => panic!("a stock client has no POST running when it sends 5"),
            ProbeVerdict::Fail => {
                self.server.websocket = None;
                self.send_in_order(Arrival::WebSocketLostAtClient);
            }
        }
    }

    /// Does what both sides have to do now.
    fn settle(&mut self) {
        self.settle_server();
        self.settle_client();
        if let Some(at) = self.server.machine.poll_timeout() {
            let at = at.max(self.now);
            self.at(at, Arrival::ServerTimeout);
        }
    }

    fn settle_server(&mut self) {
        if let Some(reason) = self.server.machine.poll_closed() {
            self.server.closed = Some((reason, self.now));
        }
        if self.server.get {
            let Server { machine, outbox, .. } = &mut self.server;
            let answer = machine.poll_get(!outbox.is_empty());
            let packets = match answer {
                GetAnswer::Wait => return,
                GetAnswer::Noop => Some(vec![Packet::Noop]),
                GetAnswer::Close | GetAnswer::Last { .. } => Some(vec![Packet::Close]),
                GetAnswer::Refused(_) => None,
                GetAnswer::Packets { beat } => {
                    let mut packets = if beat { vec![Packet::Ping] } else { Vec::new() };
                    packets.extend(std::iter::from_fn(|| outbox.pop()).map(message));
                    Some(packets)
                }
            };
            machine.handle_get_answered(answer);
            self.server.get = false;
            self.send(Arrival::GetAnswer(packets));
        }
        if self.server.machine.may_drain_websocket() {
            if self.server.machine.poll_beat() {
                self.send_in_order(Arrival::ToClient(Packet::Ping));
            }
            while let Some(frame) = self.server.outbox.pop() {
                self.server.outbox.written(cost(&frame), || self.now);
                self.send_in_order(Arrival::ToClient(message(frame)));
            }
        }
    }

    fn settle_client(&mut self) {
        if self.client.is_silent || self.server.closed.is_some() {
            return;
        }
        match self.client.phase {
            Phase::Polling | Phase::Probing => {
                if !self.client.get {
                    self.client.get = true;
                    self.send(Arrival::Get);
                }
                if !self.client.post && !self.client.outgoing.is_empty() {
                    self.client.post = true;
                    let packets = self.client.outgoing.drain(..).collect();
                    self.send(Arrival::Post(packets));
                }
            }
            Phase::Pausing if !self.client.get && !self.client.post => {
                self.client.phase = Phase::Upgraded;
                self.send_in_order(Arrival::ToServer(Packet::Upgrade));
                self.settle_client();
            }
            Phase::Pausing => {}
            Phase::Upgraded => {
                while let Some(packet) = self.client.outgoing.pop_front() {
                    self.send_in_order(Arrival::ToServer(packet));
                }
            }
        }
    }

    fn send(&mut self, arrival: Arrival) {
        let delay = Duration::from_micros(1_000 + self.random(30_000));
        self.at(self.now + delay, arrival);
    }

    /// Frames of one WebSocket do not overtake each other.
    fn send_in_order(&mut self, arrival: Arrival) {
        let delay = Duration::from_micros(1_000 + self.random(30_000));
        let is_to_client = matches!(
            arrival,
            Arrival::ToClient(_) | Arrival::WebSocketOpen(_) | Arrival::WebSocketLostAtClient
        );
        let fifo = if is_to_client { &mut self.server.fifo } else { &mut self.client.fifo };
        let at = (self.now + delay).max(*fifo + Duration::from_nanos(1));
        *fifo = at;
        self.at(at, arrival);
    }

    fn at(&mut self, at: Instant, arrival: Arrival) {
        self.n_events += 1;
        self.events.push(Reverse((at, self.n_events, arrival)));
    }

    /// xorshift: the same seed gives the same run.
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }
}

impl Client {
    fn receive(&mut self, packet: Packet) {
        match packet {
            Packet::Message(n) => self.received.push(n),
            Packet::Ping => {
                self.pings += 1;
                self.outgoing.push_back(Packet::Pong);
            }
            Packet::Noop | Packet::Close | Packet::Pong | Packet::Probe | Packet::Upgrade => {}
        }
    }
}

fn message(frame: SharedFrame) -> Packet {
    match frame.to_message() {
        Message::Text(text) => Packet::Message(text.parse().unwrap()),
        Message::Binary(_) => panic!("only texts were sent"),
    }
}

const N: u32 = 50;
const SEEDS: std::ops::Range<u64> = 0..500;

/// All messages, each once and in order, in both directions.
#[track_caller]
fn assert_complete(sim: &Sim, seed: u64) {
    assert_eq!(sim.server.closed, None, "seed {seed}");
    assert_eq!(sim.server.received, (0..N).collect::<Vec<_>>(), "at the server, seed {seed}");
    assert_eq!(sim.client.received, (0..N).collect::<Vec<_>>(), "at the client, seed {seed}");
}

#[test]
fn nothing_is_lost_doubled_or_reordered_across_an_upgrade() {
    for seed in SEEDS {
        let sim = Sim::new(seed, Habit::Upgrades).run(N, Duration::from_secs(3));
        assert_complete(&sim, seed);
        assert_eq!(sim.server.machine.transport(), Transport::WebSocket, "seed {seed}");
        assert!(sim.client.pings >= 5, "the heartbeat goes on after the upgrade, seed {seed}");
    }
}

#[test]
fn a_lost_probe_costs_the_polling_session_nothing() {
    for seed in SEEDS {
        let sim = Sim::new(seed, Habit::LosesProbe).run(N, Duration::from_secs(3));
        assert_complete(&sim, seed);
        assert_eq!(sim.server.machine.transport(), Transport::Polling, "seed {seed}");
    }
}

#[test]
fn polling_goes_on_for_ever() {
    for seed in SEEDS {
        let sim = Sim::new(seed, Habit::Polls).run(N, Duration::from_secs(3));
        assert_complete(&sim, seed);
        assert!(sim.client.pings >= 5, "seed {seed}");
    }
}

#[test]
fn a_silent_client_is_closed_within_interval_and_timeout() {
    for seed in SEEDS {
        let start = Instant::now();
        let sim = Sim::new(seed, Habit::Vanishes).run(N, Duration::from_secs(3));
        let (reason, at) = sim.server.closed.unwrap();
        assert_eq!(reason, CloseReason::PingTimeout, "seed {seed}");
        // Its last packets may have come after the first ping and extended the deadline once.
        assert!(at <= start + Duration::from_millis(500 + 200 + 300), "seed {seed}");
    }
}
