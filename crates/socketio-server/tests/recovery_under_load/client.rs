//! One client: it loses its connection in several ways, comes back, and checks what it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_support::ws::{Received, WebSocket};
use tokio::sync::mpsc;

use crate::Plan;
use crate::expected::{Expected, Progress};
use crate::random::Random;

pub(crate) struct Client {
    idx: usize,
    server: SocketAddr,
    plan: Arc<Plan>,
    expected: Arc<Expected>,
    random: Random,
    progress: Progress,
    session: Session,
    /// When it asked for its session: that began a little later.
    asked_at: Instant,
    tally: Tally,
    is_over: bool,
}

/// What it knows of its session.
#[derive(Clone, Default)]
struct Session {
    sid: String,
    pid: Option<String>,
    /// The last text at the end of an event.
    offset: Option<String>,
}

/// What came of it all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What is wrong.
    pub(crate) flaws: Vec<String>,
    pub(crate) events_checked: u64,
    pub(crate) losses: u64,
    /// Of these, the client was back while all that it had missed was well within the window.
    pub(crate) back_in_time: u64,
    /// And was known again.
    pub(crate) recovered: u64,
    pub(crate) back_too_late: u64,
    pub(crate) taken_over: u64,
    pub(crate) without_offset: u64,
    /// Connections that were closed instead of an answer.
    pub(crate) asked_again: u64,
}

/// How a connection is lost.
#[derive(Debug)]
enum Loss {
    /// The server is told, or at least the system it runs on.
    Seen,
    /// As before, and the client stays away for too long.
    Long,
    /// The connection stands, but nobody reads it: the server does not know.
    HalfOpen,
    /// The client begins anew, and loses that connection before it got any event.
    AtOnce,
}

impl Client {
    pub(crate) fn new(
        idx: usize,
        server: SocketAddr,
        plan: &Arc<Plan>,
        expected: &Arc<Expected>,
        random: Random,
    ) -> Self {
        Self {
            idx,
            server,
            plan: Arc::clone(plan),
            expected: Arc::clone(expected),
            random,
            progress: Progress::of(idx),
            session: Session::default(),
            asked_at: Instant::now(),
            tally: Tally::default(),
            is_over: false,
        }
    }

    /// Drops `done` when it will not lose its connection any more, and listens until all is said.
    pub(crate) async fn run(mut self, done: mpsc::Sender<()>) -> Tally {
        let mut connection = self.connect().await;
        for _ in 0..self.plan.losses {
            let present = self.random.within(&self.plan.present);
            self.listen(&mut connection, Duration::from_millis(present)).await;
            connection = self.lose(connection).await;
        }
        drop(done);
        while !self.is_over {
            self.listen(&mut connection, Duration::ZERO).await;
        }
        self.tally.events_checked = self.progress.n_events;
        self.tally
    }

    /// Loses the connection and comes back, over the one that is returned.
    async fn lose(&mut self, mut connection: WebSocket) -> WebSocket {
        let loss = match self.random.next() % 100 {
            0..5 => Loss::Long,
            5..15 => Loss::HalfOpen,
            15..25 => Loss::AtOnce,
            _ => Loss::Seen,
        };
        let mut absent = Duration::from_millis(self.random.within(&self.plan.absent));
        let mut half_open = None;
        match loss {
            Loss::Seen | Loss::Long if self.random.is_one_of(2) => connection.close().await,
            Loss::Seen | Loss::Long => drop(connection),
            Loss::HalfOpen => half_open = Some(connection),
            Loss::AtOnce => {
                drop(connection);
                self.session = Session::default();
                drop(self.connect().await);
                self.tally.without_offset += 1;
            }
        }
        let window = Duration::from_millis(self.plan.window);
        let tolerance = Duration::from_millis(self.plan.tolerance);
        if let Loss::Long = loss {
            absent += window + tolerance;
        }
        tokio::time::sleep(absent).await;
        let before = self.session.sid.clone();
        let missed_since = self.progress.at.unwrap_or(self.asked_at);
        let connection = self.connect().await;
        let is_recovered = self.session.sid == before;
        self.tally.losses += 1;
        if missed_since.elapsed() + tolerance < window {
            self.tally.back_in_time += 1;
            self.tally.recovered += u64::from(is_recovered);
            if !is_recovered {
                println!("client {} is not known again: {loss:?}, {:?}", self.idx, missed_since.elapsed());
            }
        }
        if let Loss::Long = loss {
            self.tally.back_too_late += 1;
            if is_recovered {
                self.flaw("is known after too long a time".to_owned());
            }
        }
        if let Some(mut old) = half_open {
            // What it gets there, it has got, or gets, over the other.
            while !matches!(old.receive().await, Received::End | Received::Close(_)) {}
            self.tally.taken_over += 1;
        }
        connection
    }

    /// Connects, and joins with what it knows of its session.
    async fn connect(&mut self) -> WebSocket {
        let mut connection = WebSocket::connect(self.server, "/socket.io/?EIO=4&transport=websocket").await;
        connection.text().await;
        let asked_at = Instant::now();
        let mut auth = json!({ "client": self.idx });
        if let Some(pid) = &self.session.pid {
            auth["pid"] = pid.as_str().into();
            if let Some(offset) = &self.session.offset {
                auth["offset"] = offset.as_str().into();
            }
        }
        connection.send_text(&format!("40{auth}")).await;
        let answer = match connection.receive().await {
            Received::Text(answer) => answer,
            // What it had missed became too old while it was decided about: stock clients ask again, too.
            _ => {
                self.tally.asked_again += 1;
                return Box::pin(self.connect()).await;
            }
        };
        let answer: Option<Value> =
            answer.strip_prefix("40").and_then(|json| serde_json::from_str(json).ok());
        let answer = answer.expect("the answer to CONNECT comes first");
        let sid = answer["sid"].as_str().expect("sid").to_owned();
        if sid != self.session.sid {
            self.progress.forget();
            self.session.offset = None;
            self.asked_at = asked_at;
        }
        self.session.sid = sid;
        self.session.pid = answer["pid"].as_str().map(ToOwned::to_owned);
        connection
    }

    /// Reads what comes for as long as that, and then one event more: the next may be on its way already.
    async fn listen(&mut self, connection: &mut WebSocket, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let received = connection.receive().await;
            match received {
                Received::Text(text) if text == "2" => connection.send_text("3").await,
                Received::Text(text) => {
                    let json = text.strip_prefix("42").map(|json| (json, false));
                    let json = json.or_else(|| Some((text.strip_prefix("451-")?, true)));
                    let Some((json, has_bytes)) = json else { return self.flaw(format!("got {text}")) };
                    if has_bytes {
                        connection.binary().await;
                    }
                    self.take(serde_json::from_str(json).expect("JSON"));
                }
                other => return self.flaw(format!("got {other:?}")),
            }
            if self.is_over || Instant::now() >= end {
                return;
            }
        }
    }

    fn take(&mut self, args: Vec<Value>) {
        if let Some(Value::String(offset)) = args.last() {
            self.session.offset = Some(offset.clone());
        }
        let n = args.get(1).and_then(Value::as_u64);
        let taken = match (args[0].as_str(), n) {
            (Some("begin"), Some(n)) => self.progress.begin(n, &self.expected),
            (Some("n"), Some(n)) => self.progress.got(n, &self.expected),
            (Some("end"), Some(n)) => {
                self.is_over = true;
                self.progress.end(n, &self.expected)
            }
            (Some("noise"), None) => Ok(()),
            _ => Err(format!("got {args:?}")),
        };
        taken.unwrap_or_else(|flaw| self.flaw(flaw));
    }

    fn flaw(&mut self, flaw: String) {
        if self.tally.flaws.len() < 3 {
            self.tally.flaws.push(format!("client {}: {flaw}", self.idx));
        }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.flaws.extend(other.flaws.iter().cloned());
        self.events_checked += other.events_checked;
        self.losses += other.losses;
        self.back_in_time += other.back_in_time;
        self.recovered += other.recovered;
        self.back_too_late += other.back_too_late;
        self.taken_over += other.taken_over;
        self.without_offset += other.without_offset;
        self.asked_again += other.asked_again;
    }
}
