//! An Engine.IO 4 session over long polling, one connection for GET and one for POST.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::http::{HttpConnection, Request, Response};

/// What the open packet said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The session's id.
    pub sid: String,
    /// The transports the session may upgrade to.
    pub upgrades: Vec<String>,
    /// Milliseconds between two pings.
    pub ping_interval: u64,
    /// Milliseconds the client has to answer one.
    pub ping_timeout: u64,
    /// The largest payload the server takes, in bytes.
    pub max_payload: u64,
}

/// A session, and the two connections it uses.
#[derive(Debug)]
pub struct Polling {
    /// What the server said when the session opened.
    pub handshake: Handshake,
    /// The connection that GET requests go on.
    pub get: HttpConnection,
    /// The connection that POST requests go on.
    pub post: HttpConnection,
    path: String,
}

impl Handshake {
    /// Reads an open packet, `0{…}`, with every field there and of its type.
    pub fn from_packet(packet: &str) -> Self {
        Self::read(packet).unwrap_or_else(|| panic!("not an open packet: {packet:?}"))
    }

    fn read(packet: &str) -> Option<Self> {
        let json: serde_json::Value = serde_json::from_str(packet.strip_prefix('0')?).ok()?;
        let upgrades = json["upgrades"].as_array()?.iter().map(|name| Some(name.as_str()?.to_owned()));
        Some(Self {
            sid: json["sid"].as_str()?.to_owned(),
            upgrades: upgrades.collect::<Option<_>>()?,
            ping_interval: json["pingInterval"].as_u64()?,
            ping_timeout: json["pingTimeout"].as_u64()?,
            max_payload: json["maxPayload"].as_u64()?,
        })
    }
}

impl Polling {
    /// Opens a session under `path`, such as `/engine.io/`.
    pub async fn open(server: SocketAddr, path: &str) -> Self {
        let mut get = HttpConnection::open(server).await;
        let response = get.exchange(Request::get(&format!("{path}?EIO=4&transport=polling"))).await;
        assert_eq!(response.status, 200, "refused: {}", response.text());
        let packets = split(&response);
        assert_eq!(packets.len(), 1, "more than the open packet: {packets:?}");
        let handshake = Handshake::from_packet(&packets[0]);
        Self { handshake, get, post: HttpConnection::open(server).await, path: path.to_owned() }
    }

    /// Path and query of this session's requests.
    pub fn target(&self) -> String {
        self.target_for("polling")
    }

    /// Path and query of the request that upgrades this session to a WebSocket.
    pub fn upgrade_target(&self) -> String {
        self.target_for("websocket")
    }

    /// Waits for the next payload and returns its packets.
    pub async fn poll(&mut self) -> Vec<String> {
        self.start_poll().await;
        self.end_poll().await
    }

    /// Sends a GET; [`end_poll`](Self::end_poll) waits for its answer.
    pub async fn start_poll(&mut self) {
        self.get.send(Request::get(&self.target())).await;
    }

    /// Waits for the answer to the GET that is out and returns its packets.
    pub async fn end_poll(&mut self) -> Vec<String> {
        let response = self.get.response().await;
        assert_eq!(response.status, 200, "the poll failed: {}", response.text());
        split(&response)
    }

    /// Posts packets as one payload, which the server must take.
    pub async fn send(&mut self, packets: &[&str]) {
        self.try_send(packets.join("\x1e")).await.is(200, "ok");
    }

    /// Posts any body and returns the answer.
    pub async fn try_send(&mut self, body: impl Into<Bytes>) -> Response {
        self.post.exchange(Request::post(&self.target(), body)).await
    }

    fn target_for(&self, transport: &str) -> String {
        format!("{}?EIO=4&transport={transport}&sid={}", self.path, self.handshake.sid)
    }
}

fn split(response: &Response) -> Vec<String> {
    response.text().split('\x1e').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_packet_has_every_field() {
        let packet =
            r#"0{"sid":"x","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000}"#;
        let handshake = Handshake::from_packet(packet);
        assert_eq!((handshake.sid.as_str(), handshake.upgrades.len(), handshake.max_payload), ("x", 1, 1000));
        for wrong in [
            packet.replace("maxPayload", "max"),
            packet.replace("300", "\"300\""),
            packet.replacen('0', "1", 1),
        ] {
            assert_eq!(Handshake::read(&wrong), None, "{wrong}");
        }
    }
}
