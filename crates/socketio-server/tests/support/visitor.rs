//! A client of a server with recovery, which keeps what a stock client keeps of its session.

use serde_json::{Value, json};
use socketio_server::{DisconnectReason, Server, Socket};

use super::Peer;

/// A client in the root namespace that may go and come back.
pub struct Visitor {
    pub peer: Peer,
    pub sid: String,
    pub pid: String,
    /// The last text at the end of an event.
    pub offset: Option<String>,
}

impl Visitor {
    /// Joins, which must be decided at once.
    pub fn join(io: &Server) -> Self {
        let mut peer = Peer::open(io);
        peer.send("0");
        let mut sent = peer.take();
        let (sid, pid) = read_answer(&sent.remove(0));
        let mut visitor = Self { peer, sid, pid, offset: None };
        assert_eq!(visitor.read(sent), [""; 0]);
        visitor
    }

    /// Its connection is lost, and the server knows.
    pub fn lose(&mut self) {
        self.peer.hang_up(DisconnectReason::TransportClose);
    }

    /// Asks to continue, over a new connection; returns the old one.
    pub fn claim(&mut self, io: &Server) -> Peer {
        let mut auth = json!({ "pid": self.pid });
        if let Some(offset) = &self.offset {
            auth["offset"] = offset.clone().into();
        }
        let mut peer = Peer::open(io);
        peer.send(&format!("0{auth}"));
        std::mem::replace(&mut self.peer, peer)
    }

    /// Reads the answer to a claim, and what came behind it; `None` if it is a new session.
    pub fn continued(&mut self) -> Option<Vec<String>> {
        let mut sent = self.peer.take();
        assert!(!sent.is_empty(), "no answer to CONNECT");
        let (sid, pid) = read_answer(&sent.remove(0));
        let missed = self.read(sent);
        let continued = (sid == self.sid).then_some(missed);
        (self.sid, self.pid) = (sid, pid);
        continued
    }

    /// Comes back, which must be decided at once; returns what it missed, or `None` if it is a new session.
    pub fn come_back(&mut self, io: &Server) -> Option<Vec<String>> {
        drop(self.claim(io));
        self.continued()
    }

    /// The events that came since the last time, without their positions.
    pub fn events(&mut self) -> Vec<String> {
        let sent = self.peer.take();
        self.read(sent)
    }

    pub fn socket(&self, io: &Server) -> Socket {
        io.sockets().into_iter().find(|socket| socket.id().as_str() == self.sid).expect("it is here")
    }

    fn read(&mut self, sent: Vec<String>) -> Vec<String> {
        let event = |packet: String| {
            let mut args: Vec<Value> = serde_json::from_str(packet.strip_prefix('2')?).ok()?;
            if let Some(Value::String(_)) = args.last()
                && let Some(Value::String(offset)) = args.pop()
            {
                self.offset = Some(offset);
            }
            Some(Value::from(args).to_string())
        };
        sent.into_iter().filter_map(event).collect()
    }
}

fn read_answer(packet: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(packet.strip_prefix('0').expect("CONNECT first")).expect("JSON");
    let text = |key: &str| answer[key].as_str().expect(key).to_owned();
    (text("sid"), text("pid"))
}
