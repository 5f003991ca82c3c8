//! A WebSocket client for ordinary use; [`frames`](crate::frames) has the one for bad frames.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::http::{HttpConnection, Request, WEBSOCKET_KEY};
use crate::wait;

/// An open WebSocket. It answers the protocol's own pings by itself.
#[derive(Debug)]
pub struct WebSocket<S = TcpStream> {
    stream: WebSocketStream<S>,
}

/// What came over a [`WebSocket`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// A close frame: code and reason, if it had any.
    Close(Option<(u16, String)>),
    /// The end of the connection.
    End,
}

impl WebSocket {
    /// Connects and asks for an upgrade; `target` is path and query.
    pub async fn connect(server: SocketAddr, target: &str) -> Self {
        Self::upgrade(HttpConnection::open(server).await, target).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks for an upgrade on a connection that stands.
    pub async fn upgrade(connection: HttpConnection<S>, target: &str) -> Self {
        let (stream, unread) = handshake(connection, Request::upgrade(target)).await;
        let stream = WebSocketStream::from_partially_read(stream, unread.into(), Role::Client, None).await;
        Self { stream }
    }

    /// Sends a text message.
    pub async fn send_text(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: impl Into<Bytes>) {
        self.send(Message::binary(bytes)).await;
    }

    /// Starts the closing handshake.
    pub async fn close(&mut self) {
        self.send(Message::Close(None)).await;
    }

    /// The next message, close frame or end, which must come within [`wait::PATIENCE`].
    pub async fn receive(&mut self) -> Received {
        wait::soon("a WebSocket message", self.next()).await
    }

    /// The next message, which must be text.
    pub async fn text(&mut self) -> String {
        match self.receive().await {
            Received::Text(text) => text,
            other => panic!("expected a text message, got {other:?}"),
        }
    }

    /// The next message, which must be binary.
    pub async fn binary(&mut self) -> Bytes {
        match self.receive().await {
            Received::Binary(bytes) => bytes,
            other => panic!("expected a binary message, got {other:?}"),
        }
    }

    /// The server's close frame, which must be the next thing to come: its code and reason, if it had any.
    pub async fn closed(&mut self) -> Option<(u16, String)> {
        match self.receive().await {
            Received::Close(frame) => frame,
            other => panic!("expected a close frame, got {other:?}"),
        }
    }

    /// Asserts that nothing comes for `quiet`.
    pub async fn stays_silent(&mut self, quiet: Duration) {
        if let Ok(received) = tokio::time::timeout(quiet, self.next()).await {
            panic!("the server should be silent, it sent {received:?}");
        }
    }

    async fn send(&mut self, message: Message) {
        let sent = wait::soon("the server to read", self.stream.send(message)).await;
        sent.unwrap_or_else(|e| panic!("cannot send: {e}"));
    }

    async fn next(&mut self) -> Received {
        loop {
            return match self.stream.next().await {
                Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => Received::Binary(bytes),
                Some(Ok(Message::Close(frame))) => {
                    Received::Close(frame.map(|f| (f.code.into(), f.reason.as_str().to_owned())))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(error @ (Error::Protocol(_) | Error::Utf8(_) | Error::Capacity(_))))
                    if !error.to_string().contains("without closing handshake") =>
                {
                    panic!("the server broke the WebSocket protocol: {error}")
                }
                Some(Err(_)) | None => Received::End,
            };
        }
    }
}

/// Sends the upgrade request and checks the answer; returns the stream and what was read beyond the answer.
pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: HttpConnection<S>,
    request: Request,
) -> (S, BytesMut) {
    let response = connection.exchange(request).await;
    assert_eq!(response.status, 101, "the upgrade was refused: {:?}", response.body);
    let accept = derive_accept_key(WEBSOCKET_KEY.as_bytes());
    assert_eq!(response.header("sec-websocket-accept"), Some(accept.as_str()));
    connection.into_parts()
}
