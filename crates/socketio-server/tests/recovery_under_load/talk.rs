//! The server's part: events to all, to rooms and to single clients, and sockets that are moved from room to room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socketio_server::{Binary, Room, Server, Socket};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::Plan;
use crate::expected::{Event, Expected};
use crate::random::Random;

/// All that is said comes from here, one after the other: so it is known who is in which room when it is said.
pub(crate) struct Talk {
    io: Server,
    expected: Arc<Expected>,
    random: Random,
    events_per_second: u32,
    rooms: Vec<Room>,
    clients: Vec<Place>,
    n_events: u64,
}

/// Where a client is.
#[derive(Default)]
struct Place {
    /// The latest that joined for it.
    socket: Option<Socket>,
    /// The session that has begun: its client has been told so.
    session: Option<String>,
    room: usize,
    is_certain: bool,
}

const CLIENTS_PER_ROOM: usize = 2;

/// How often the server says something.
const TICK: Duration = Duration::from_millis(2);

const MAX_LATE: Duration = Duration::from_millis(50);

impl Talk {
    pub(crate) fn new(io: &Server, plan: &Plan, expected: &Arc<Expected>, random: Random) -> Self {
        Self {
            io: io.clone(),
            expected: Arc::clone(expected),
            random,
            events_per_second: plan.events_per_second,
            rooms: (0..plan.clients / CLIENTS_PER_ROOM).map(|n| Room::from(format!("room {n}"))).collect(),
            clients: (0..plan.clients).map(|_| Place::default()).collect(),
            n_events: 0,
        }
    }

    /// Talks until it is over; returns how many events that were.
    pub(crate) async fn run(
        mut self,
        mut arrived: mpsc::Receiver<(usize, Socket)>,
        is_over: Arc<AtomicBool>,
    ) -> u64 {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        while !(is_over.load(Ordering::Acquire) && self.clients.iter().all(|place| place.session.is_some())) {
            ticks.tick().await;
            while let Ok((client, socket)) = arrived.try_recv() {
                self.welcome(client, socket);
            }
            // A machine that is too busy gets fewer events, and never a flood of late ones.
            let time = last.elapsed().min(MAX_LATE);
            last = Instant::now();
            for _ in 0..self.events_per_second * time.subsec_micros() / 1_000_000 {
                self.say_something();
            }
        }
        self.say_to_all("end");
        self.n_events
    }

    /// A client has joined. If it is a new session, it begins with a room and a word.
    fn welcome(&mut self, client: usize, socket: Socket) {
        let place = &mut self.clients[client];
        place.socket = Some(socket.clone());
        if place.session.as_deref() == Some(socket.id().as_str()) {
            return;
        }
        place.session = None;
        let mut rooms = socket.rooms();
        rooms.retain(|room| **room != **socket.id());
        socket.leave(rooms);
        let room = self.random.index(self.rooms.len());
        // If it is gone already, it is welcomed when it comes back.
        if socket.join(self.rooms[room].clone()).into_local_result().is_err() {
            return;
        }
        (place.room, place.is_certain) = (room, true);
        if self.say_to(client, "begin") {
            self.clients[client].session = Some(socket.id().to_string());
        }
    }

    fn say_something(&mut self) {
        match self.random.next() % 1_000 {
            0..1 => self.say_to_all("n"),
            1..92 => {
                let client = self.random.index(self.clients.len());
                if self.clients[client].session.is_some() {
                    self.say_to(client, "n");
                }
            }
            92..122 => self.move_someone(),
            122..222 => {
                self.n_events += 1;
                let room = self.random.index(self.rooms.len());
                drop(self.io.to(self.rooms[room].clone()).volatile().emit("noise", "ends in a text"));
            }
            222..272 => {
                let [one, other, except] = std::array::from_fn(|_| self.random.index(self.rooms.len()));
                self.say_to_rooms(&[one, other], Some(except), false);
            }
            272..302 => {
                let room = self.random.index(self.rooms.len());
                self.say_to_rooms(&[room], None, true);
            }
            _ => {
                let room = self.random.index(self.rooms.len());
                self.say_to_rooms(&[room], None, false);
            }
        }
    }

    fn say_to_all(&mut self, event: &str) {
        let n = self.next();
        for client in 0..self.clients.len() {
            self.expected.events(client).push(Event { n, at: Instant::now(), is_certain: true });
        }
        drop(self.io.emit(event, n));
    }

    fn say_to_rooms(&mut self, rooms: &[usize], except: Option<usize>, with_bytes: bool) {
        let n = self.next();
        for (client, place) in self.clients.iter().enumerate() {
            let is_for_it = rooms.contains(&place.room) && except != Some(place.room);
            if place.session.is_some() && is_for_it {
                self.expected.events(client).push(Event {
                    n,
                    at: Instant::now(),
                    is_certain: place.is_certain,
                });
            }
        }
        let mut to = self.io.to(rooms.iter().map(|room| self.rooms[*room].clone()).collect::<Vec<_>>());
        if let Some(except) = except {
            to = to.except(self.rooms[except].clone());
        }
        if with_bytes { drop(to.emit("n", (n, Binary::from(vec![0; 64])))) } else { drop(to.emit("n", n)) }
    }

    /// Says something to one client, wherever it is; returns whether it is expected at all.
    fn say_to(&mut self, client: usize, event: &str) -> bool {
        let n = self.next();
        let Some(socket) = &self.clients[client].socket else { return false };
        let mut events = self.expected.events(client);
        let is_said = socket.emit(event, n).into_local_result().is_ok();
        if is_said {
            events.push(Event { n, at: Instant::now(), is_certain: true });
        }
        is_said
    }

    /// Moves a client that is here to another room.
    fn move_someone(&mut self) {
        let (client, room) = (self.random.index(self.clients.len()), self.random.index(self.rooms.len()));
        let place = &mut self.clients[client];
        let Some(socket) = place.socket.as_ref().filter(|socket| socket.is_connected()) else { return };
        if place.session.as_deref() != Some(socket.id().as_str()) || place.room == room {
            return;
        }
        socket.leave(self.rooms[place.room].clone());
        // Who can join a room is still here, and has left the other.
        if socket.join(self.rooms[room].clone()).into_local_result().is_ok() {
            (place.room, place.is_certain) = (room, true);
        } else {
            place.is_certain = false;
        }
    }

    fn next(&mut self) -> u64 {
        self.n_events += 1;
        self.n_events
    }
}
