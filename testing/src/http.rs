//! An HTTP/1.1 client by hand: it sends whole requests, half of one, or any bytes, and reads whole responses.

use std::collections::VecDeque;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::io::read_more;
use crate::wait;

/// The `Sec-WebSocket-Key` of [`Request::upgrade`].
pub const WEBSOCKET_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEA==";

/// One keep-alive connection.
#[derive(Debug)]
pub struct HttpConnection<S = TcpStream> {
    stream: S,
    unread: BytesMut,
    /// Whether each request that awaits its response is a HEAD: the response then has no body.
    heads: VecDeque<bool>,
}

/// A request that is to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    None,
    Sized(Bytes),
    Chunked(Vec<Bytes>),
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields, names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub body: Bytes,
}

/// Sends one request on a connection of its own.
pub async fn send(server: SocketAddr, request: Request) -> Response {
    let mut connection = HttpConnection::open(server).await;
    connection.exchange(request).await
}

impl HttpConnection {
    /// Connects to a server.
    pub async fn open(server: SocketAddr) -> Self {
        let stream = wait::soon("the TCP connection", TcpStream::connect(server)).await;
        let stream = stream.unwrap_or_else(|e| panic!("no connection to {server}: {e}"));
        stream.set_nodelay(true).expect("a connected socket takes options");
        Self::over(stream)
    }

    /// Breaks the connection off with a reset, as a peer does that crashed.
    #[allow(
        deprecated,
        reason = "a linger time of zero never blocks, and the newer name is above our floor of tokio"
    )]
    pub fn reset(self) {
        self.stream.set_linger(Some(Duration::ZERO)).expect("a connected socket takes options");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> HttpConnection<S> {
    /// Speaks over a stream that is already connected, such as half of a `tokio::io::duplex`.
    pub fn over(stream: S) -> Self {
        Self { stream, unread: BytesMut::new(), heads: VecDeque::new() }
    }

    /// Sends a request and reads its response.
    pub async fn exchange(&mut self, request: Request) -> Response {
        self.send(request).await;
        self.response().await
    }

    /// Sends a request; [`response`](Self::response) reads the answer.
    pub async fn send(&mut self, request: Request) {
        self.heads.push_back(request.method == "HEAD");
        self.write(&request.to_bytes()).await;
    }

    /// Sends a request but for the last `missing` bytes.
    pub async fn send_but(&mut self, request: Request, missing: usize) {
        self.heads.push_back(request.method == "HEAD");
        let bytes = request.to_bytes();
        self.write(&bytes[..bytes.len() - missing]).await;
    }

    /// Sends any bytes. A server that has closed the connection meanwhile is no error here: its answer may still be read.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _gone = wait::soon("the server to read", self.stream.write_all(bytes)).await;
    }

    /// Ends the sending side and keeps the receiving one.
    pub async fn finish(&mut self) {
        let _gone = wait::soon("the end of sending", self.stream.shutdown()).await;
    }

    /// The next response, which must come within [`wait::PATIENCE`].
    pub async fn response(&mut self) -> Response {
        let to_head = self.heads.pop_front().unwrap_or(false);
        let head = loop {
            if let Some(head) = Head::take(&mut self.unread) {
                if head.status != 100 {
                    break head;
                }
                continue;
            }
            self.more("a response").await;
        };
        let body = match head.framing(to_head) {
            Framing::Empty => Bytes::new(),
            Framing::Length(n) => self.take(n).await,
            Framing::Chunked => self.chunks().await,
            Framing::UntilClose => {
                while read_more(&mut self.stream, &mut self.unread, "the end of a response").await {}
                self.unread.split().freeze()
            }
        };
        Response { status: head.status, headers: head.headers, body }
    }

    /// Asserts that the server says nothing for `quiet`.
    pub async fn stays_silent(&mut self, quiet: Duration) {
        assert!(self.unread.is_empty(), "unread already: {:?}", self.unread);
        let read = read_more(&mut self.stream, &mut self.unread, "silence");
        match tokio::time::timeout(quiet, read).await {
            Err(_) => {}
            Ok(true) => panic!("the server should be silent, it said {:?}", self.unread),
            Ok(false) => panic!("the server should be silent, it closed the connection"),
        }
    }

    /// Asserts that the server closes the connection within [`wait::PATIENCE`] and says nothing more before.
    pub async fn is_closed(&mut self) {
        let more = read_more(&mut self.stream, &mut self.unread, "the connection's end").await;
        assert!(!more && self.unread.is_empty(), "expected the connection's end, got {:?}", self.unread);
    }

    /// The stream, and what was read from it beyond the last response: an upgraded connection goes on from here.
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.unread)
    }

    async fn take(&mut self, n: usize) -> Bytes {
        while self.unread.len() < n {
            self.more("the rest of a response").await;
        }
        self.unread.split_to(n).freeze()
    }

    async fn chunks(&mut self) -> Bytes {
        let mut body = BytesMut::new();
        loop {
            let line = self.line().await;
            let size = line.split(';').next().and_then(|hex| usize::from_str_radix(hex.trim(), 16).ok());
            let size = size.unwrap_or_else(|| panic!("bad chunk size {line:?}"));
            if size == 0 {
                while !self.line().await.is_empty() {}
                return body.freeze();
            }
            body.extend_from_slice(&self.take(size).await);
            assert_eq!(&self.take(2).await[..], b"\r\n", "a chunk of {size} bytes goes on");
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let line = self.unread.split_to(end + 2);
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            self.more("the rest of a line").await;
        }
    }

    async fn more(&mut self, what: &str) {
        if !read_more(&mut self.stream, &mut self.unread, what).await {
            panic!("the server closed the connection, expected {what}; unread: {:?}", self.unread);
        }
    }
}

impl Request {
    /// A request of any method, without a body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Body::None }
    }

    /// A GET request; `target` is path and query.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A POST request of `text/plain` with a `Content-Length`.
    pub fn post(target: &str, body: impl Into<Bytes>) -> Self {
        let text = ("content-type".to_owned(), "text/plain;charset=UTF-8".to_owned());
        Self { headers: vec![text], body: Body::Sized(body.into()), ..Self::new("POST", target) }
    }

    /// The GET request that asks for a WebSocket, with [`WEBSOCKET_KEY`].
    pub fn upgrade(target: &str) -> Self {
        Self::get(target)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", WEBSOCKET_KEY)
    }

    /// Adds a header field, or replaces the one of that name: so a test may state a wrong `host` or `content-length`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.more_header(name, value)
    }

    /// Adds a header field beside those of the same name.
    #[must_use]
    pub fn more_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the body in these chunks, with `Transfer-Encoding: chunked` instead of a length.
    #[must_use]
    pub fn chunked(mut self, chunks: &[&[u8]]) -> Self {
        self.body = Body::Chunked(chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect());
        self
    }

    /// The bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut field =
            |name: &str, value: &str| write!(head, "{name}: {value}\r\n").expect("a String takes all");
        let given = |name: &str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !given("host") {
            field("host", "127.0.0.1");
        }
        match &self.body {
            Body::Sized(body) if !given("content-length") => field("content-length", &body.len().to_string()),
            Body::Chunked(_) => field("transfer-encoding", "chunked"),
            Body::None | Body::Sized(_) => {}
        }
        for (name, value) in &self.headers {
            field(name, value);
        }
        head.push_str("\r\n");

        let mut bytes = head.into_bytes();
        match &self.body {
            Body::None => {}
            Body::Sized(body) => bytes.extend_from_slice(body),
            Body::Chunked(chunks) => {
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

impl Response {
    /// The first header field of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body, which must be UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.body))
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.body))
    }

    /// Asserts status and body.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, String::from_utf8_lossy(&self.body).as_ref()), (status, body));
    }
}

struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

enum Framing {
    Empty,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Head {
    /// Takes a whole response head off the front of `unread`.
    fn take(unread: &mut BytesMut) -> Option<Self> {
        let end = find(unread, b"\r\n\r\n")?;
        let head = unread.split_to(end + 4);
        let text = std::str::from_utf8(&head[..end]).unwrap_or_else(|e| panic!("{e} in {head:?}"));
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("bad header line {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Some(Self {
            status: status.unwrap_or_else(|| panic!("not an HTTP/1.1 response: {text:?}")),
            headers: headers.collect(),
        })
    }

    fn framing(&self, to_head: bool) -> Framing {
        let header =
            |name| self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        if to_head || matches!(self.status, 100..200 | 204 | 304) {
            Framing::Empty
        } else if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            Framing::Chunked
        } else if let Some(length) = header("content-length") {
            Framing::Length(length.parse().unwrap_or_else(|_| panic!("bad content-length {length:?}")))
        } else {
            Framing::UntilClose
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(wire: &[u8], request: Request) -> (Response, HttpConnection<tokio::io::DuplexStream>) {
        let (client, mut server) = tokio::io::duplex(64);
        let wire = wire.to_vec();
        tokio::spawn(async move { server.write_all(&wire).await });
        let mut connection = HttpConnection::over(client);
        let response = connection.exchange(request).await;
        (response, connection)
    }

    #[tokio::test]
    async fn reads_each_framing_of_a_body() {
        let get = || Request::get("/");
        let (sized, mut more) =
            read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 None\r\n\r\n", get()).await;
        sized.is(200, "ok");
        assert_eq!(sized.header("CONTENT-LENGTH"), Some("2"));
        more.response().await.is(204, "");
        more.is_closed().await;

        let chunked =
            b"HTTP/1.1 400 Bad\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n";
        read(chunked, get()).await.0.is(400, "abcd");
        read(b"HTTP/1.1 200 OK\r\n\r\nto the end", get()).await.0.is(200, "to the end");
        read(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Request::new("HEAD", "/")).await.0.is(200, "");
    }

    #[test]
    fn requests_state_what_the_test_asked_for() {
        let text = |request: Request| String::from_utf8(request.to_bytes()).unwrap();
        assert_eq!(text(Request::get("/a?b=c")), "GET /a?b=c HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        assert_eq!(
            text(Request::post("/", "4hi").header("Host", "x").header("Content-Length", "9")),
            "POST / HTTP/1.1\r\ncontent-type: text/plain;charset=UTF-8\r\nHost: x\r\nContent-Length: 9\r\n\r\n4hi"
        );
        let chunked = text(Request::post("/", "").chunked(&[b"ab", b"c"]));
        assert!(chunked.ends_with("\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), "{chunked}");
        assert!(!chunked.contains("content-length"), "{chunked}");
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "it said b\"x\"")]
    async fn silence_that_is_broken_fails() {
        let (client, mut server) = tokio::io::duplex(64);
        server.write_all(b"x").await.unwrap();
        HttpConnection::over(client).stays_silent(Duration::from_secs(1)).await;
    }

    #[tokio::test]
    #[should_panic(expected = "closed the connection, expected a response")]
    async fn a_response_that_never_comes_fails() {
        read(b"HTTP/1.1 200", Request::get("/")).await;
    }
}
