//! HTTP long-polling: a GET that waits for messages, a POST that brings them.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use engine_io_parser::v3::{self, PayloadForm};
use engine_io_parser::{
    DecodeError, EncodeError, Handshake, Limits, PacketRef, PayloadDecoder, PayloadEncoder, SharedFrame,
};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};

use super::unpack;
use super::websocket::open_packet;
use crate::body::{recycle, respond};
use crate::coding::Coding;
use crate::error::Refusal;
use crate::handle::Core;
use crate::handler::Flow;
use crate::server::deadlines::now;
use crate::session::outbox::cost;
use crate::session::{GetAnswer, Input, Protocol, RequestError, Transport, Verdict};
use crate::{Body, CloseReason, Session, compression};

/// The answer to the first request of a session.
pub(crate) fn opened(handshake: &Handshake, protocol: Protocol) -> Response<Body> {
    let packet = open_packet(handshake);
    let payload = match protocol {
        Protocol::V4 => packet,
        // It is ASCII: its length in bytes is the one that counts.
        Protocol::V3 => [packet.len().to_string().as_bytes(), b":", &packet].concat(),
    };
    respond(StatusCode::OK, TEXT, payload.into())
}

/// Waits until there is something to send; `wish` is the coding that the client would like it in.
pub(crate) async fn get(
    session: &Session,
    limits: Limits,
    wish: Option<Coding>,
) -> Result<Response<Body>, Refusal> {
    let overlap = "a second GET while one was waiting";
    session.drive_because(&overlap, |core| core.machine.handle_get(now())).map_err(refusal)?;
    let waiting = WhileWaiting(session);
    let answer = poll_fn(|cx| {
        session.with_core(|core| match core.machine.poll_get(!core.outbox.is_empty()) {
            GetAnswer::Wait => {
                core.set_get_waker(cx);
                Poll::Pending
            }
            answer => Poll::Ready(answer),
        })
    })
    .await;
    std::mem::forget(waiting);
    match answer {
        GetAnswer::Refused(error) => Err(refusal(error)),
        answer => {
            let payload = session.drive(|core| fill(core, answer, limits.max_payload_bytes));
            let Payload { body, kind, may_compress } = payload;
            if may_compress && session.http_compression().applies_to(body.len()) {
                // Rare enough not to have room in every connection.
                return Ok(Box::pin(compression::answer(session, kind, body, wish)).await);
            }
            Ok(respond(StatusCode::OK, kind, body))
        }
    }
}

/// What a GET is answered.
struct Payload {
    body: Bytes,
    kind: &'static str,
    /// At least one of its messages may be compressed.
    may_compress: bool,
}

impl Payload {
    fn control(packets: &'static str) -> Self {
        Self { body: Bytes::from_static(packets.as_bytes()), kind: TEXT, may_compress: false }
    }
}

/// What a GET is answered; of messages as many as go into `max` bytes.
fn fill(core: &mut Core, answer: GetAnswer, max: usize) -> Payload {
    let protocol = core.machine.protocol();
    let [noop, noop_and_close, close] = match protocol {
        Protocol::V4 => ["6", "6\x1e1", "1"],
        Protocol::V3 => ["1:6", "1:61:1", "1:1"],
    };
    let payload = match answer {
        GetAnswer::Packets { beat } => {
            let form = match protocol {
                Protocol::V4 => Form::V4,
                Protocol::V3 if core.base64 || !core.outbox.has_binary() => Form::V3(PayloadForm::Text),
                Protocol::V3 => Form::V3(PayloadForm::Binary),
            };
            packets(core, beat, max, form).unwrap_or_else(|| Payload::control(close))
        }
        GetAnswer::Noop => Payload::control(noop),
        GetAnswer::Last { noop: true } => Payload::control(noop_and_close),
        GetAnswer::Last { noop: false } | GetAnswer::Close => Payload::control(close),
        GetAnswer::Wait | GetAnswer::Refused(_) => Payload::control(""),
    };
    core.machine.handle_get_answered(answer);
    payload
}

/// How the packets of a payload are put together.
#[derive(Clone, Copy)]
enum Form {
    V4,
    V3(PayloadForm),
}

impl Form {
    fn kind(self) -> &'static str {
        match self {
            Self::V4 | Self::V3(PayloadForm::Text) => TEXT,
            Self::V3(PayloadForm::Binary) => OCTETS,
        }
    }
}

enum Encoder {
    V4(PayloadEncoder<Vec<u8>>),
    V3(v3::PayloadEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(form: Form, max: usize) -> Self {
        match form {
            Form::V4 => Self::V4(PayloadEncoder::new(Vec::new(), max)),
            Form::V3(form) => Self::V3(v3::PayloadEncoder::new(Vec::new(), max, form)),
        }
    }

    fn push_beat(&mut self) {
        let pushed = match self {
            Self::V4(payload) => payload.push(&PacketRef::Ping("")),
            Self::V3(payload) => payload.push(&PacketRef::Pong("")),
        };
        debug_assert!(pushed.is_ok(), "the first packet always fits");
    }

    fn push_frame(&mut self, frame: &SharedFrame) -> Result<(), EncodeError> {
        match self {
            Self::V4(payload) => payload.push_frame(frame),
            Self::V3(payload) => payload.push_frame(frame),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::V4(payload) => payload.into_inner().into(),
            Self::V3(payload) => payload.into_inner().into(),
        }
    }
}

/// What is queued, and before it the server's part of the heartbeat if that is due. `None` if no payload can carry it: the
/// session is closed then.
fn packets(core: &mut Core, beat: bool, max: usize, form: Form) -> Option<Payload> {
    let mut may_compress = false;
    let mut payload = Encoder::new(form, max);
    if beat {
        payload.push_beat();
    }
    while let Some(frame) = core.outbox.front() {
        match payload.push_frame(frame) {
            Ok(()) => {}
            Err(EncodeError::PayloadFull { .. }) => break,
            Err(error) => {
                tracing::error!(target: "engine:polling", %error, "a frame that no payload can carry; session closed");
                core.machine.abort(CloseReason::ForcedClose);
                return None;
            }
        }
        if let Some(frame) = core.outbox.pop() {
            may_compress |= frame.may_compress();
            core.outbox.written(cost(&frame), now);
        }
    }
    Some(Payload { body: payload.into_bytes(), kind: form.kind(), may_compress })
}

/// Closes the session if its GET is dropped while it waits.
struct WhileWaiting<'a>(&'a Session);

impl Drop for WhileWaiting<'_> {
    fn drop(&mut self) {
        tracing::debug!(target: "engine:polling", sid = %self.0.id(), "poll connection closed prematurely");
        self.0.drive_because(&"the client went away while its GET waited", |core| {
            core.machine.handle_get_aborted();
        });
    }
}

/// Hands up what a POST brings.
pub(crate) async fn post<B>(
    session: &Session,
    headers: HeaderMap,
    body: B,
    limits: Limits,
) -> Result<Response<Body>, Refusal>
where
    B: http_body::Body,
    B::Error: fmt::Display,
{
    let described = Described::by(&headers);
    if described.is_coded {
        return Err(Refusal::ContentEncoding);
    }
    let overlap = "a second POST while one was being read";
    session.drive_because(&overlap, |core| core.machine.handle_post()).map_err(refusal)?;
    let mut running = WhileReading {
        session,
        failure: Some((CloseReason::TransportError, "the client went away while its POST was read".into())),
    };
    let protocol = session.revision();
    if described.is_binary && protocol == Protocol::V4 {
        running.failure = Some((CloseReason::TransportError, "a binary body".into()));
        return Err(Refusal::BadPayload);
    }
    let body = match collect(described.announced, body, limits.max_payload_bytes).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            let max = limits.max_payload_bytes;
            tracing::debug!(target: "engine:polling", sid = %session.id(), max, "body over max_http_buffer_size");
            running.failure = None;
            return Ok(respond(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", Bytes::new()));
        }
        Err(BodyError::Broken(error)) => {
            tracing::debug!(target: "engine:polling", sid = %session.id(), error, "data request broke off");
            running.failure = Some((CloseReason::TransportError, error.into()));
            return Err(Refusal::BadPayload);
        }
    };
    let Some(packets) = Packets::of(&body, protocol, described.is_binary, &limits) else {
        running.failure = Some((CloseReason::ParseError, "the body is not UTF-8".into()));
        return Err(Refusal::BadPayload);
    };
    for (n_packets, packet) in packets.enumerate() {
        if n_packets % PACKETS_PER_TURN == PACKETS_PER_TURN - 1 {
            tokio::task::yield_now().await;
        }
        let (input, message) = match packet.and_then(|packet| unpack(packet, |text| text.into())) {
            Ok(decoded) => decoded,
            Err(error) => {
                tracing::debug!(target: "engine:polling", sid = %session.id(), %error, "not a payload");
                running.failure = Some((CloseReason::ParseError, error.to_string().into()));
                return Err(Refusal::BadPayload);
            }
        };
        if input == Input::Close {
            // A client that leaves has a poll waiting, which is answered with a noop; this request may have overtaken
            // it on another connection.
            let poll = poll_fn(|cx| session.poll_get_waiting(cx));
            let _ = tokio::time::timeout(OVERTAKEN_BY, poll).await;
        }
        match (session.receive(input, now()), message) {
            (Verdict::Deliver, Some(message)) => {
                let flow = session.deliver(message, Some(&headers));
                session.deliver_close();
                if flow == Flow::Pause {
                    poll_fn(|cx| session.poll_resumed(Transport::Polling, cx)).await;
                }
            }
            (Verdict::Stop, _) => break,
            (Verdict::Deliver | Verdict::Ignore, _) => {}
        }
    }
    running.failure = None;
    drop(running);
    recycle(headers);
    Ok(respond(StatusCode::OK, "text/html", Bytes::from_static(b"ok")))
}

/// The packets of a body.
enum Packets<'a> {
    V4(PayloadDecoder<'a>),
    V3(v3::PayloadDecoder<'a>),
    V3Binary(v3::BinaryPayloadDecoder<'a>),
}

impl<'a> Packets<'a> {
    /// `None` if what should be text is not.
    fn of(body: &'a [u8], protocol: Protocol, is_binary: bool, limits: &Limits) -> Option<Self> {
        if is_binary {
            return Some(Self::V3Binary(v3::BinaryPayloadDecoder::new(body, limits)));
        }
        let text = std::str::from_utf8(body).ok()?;
        Some(match protocol {
            Protocol::V4 => Self::V4(PayloadDecoder::new(text, limits)),
            Protocol::V3 => Self::V3(v3::PayloadDecoder::new(text, limits)),
        })
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<PacketRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::V4(packets) => packets.next(),
            Self::V3(packets) => packets.next(),
            Self::V3Binary(packets) => packets.next(),
        }
    }
}

/// What a POST says of its body. Its headers are passed through once: they are few, and each look-up would cost as much.
#[derive(Default)]
struct Described {
    is_binary: bool,
    is_coded: bool,
    announced: Option<u64>,
}

impl Described {
    fn by(headers: &HeaderMap) -> Self {
        let mut described = Self::default();
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                described.is_binary = value == OCTETS;
            } else if *name == CONTENT_LENGTH {
                described.announced = value.to_str().ok().and_then(|length| length.parse().ok());
            } else if *name == CONTENT_ENCODING {
                described.is_coded |= value != "identity";
            }
        }
        described
    }
}

/// Ends the POST in the session's eyes, as a failure unless all went well.
struct WhileReading<'a> {
    session: &'a Session,
    failure: Option<(CloseReason, Cow<'static, str>)>,
}

impl Drop for WhileReading<'_> {
    fn drop(&mut self) {
        // A WebSocket that takes over may wait for this.
        let failure = self.failure.take();
        self.session.drive_and_wake_websocket(|core| match failure {
            Some((reason, detail)) => {
                core.because(&detail, |core| core.machine.handle_post_failed(reason));
            }
            None => core.machine.handle_post_done(),
        });
    }
}

enum BodyError {
    TooLarge,
    Broken(String),
}

/// Reads a body that may not be longer than `max`; what it announces is only believed if it is too much.
async fn collect<B>(announced: Option<u64>, body: B, max: usize) -> Result<Bytes, BodyError>
where
    B: http_body::Body,
    B::Error: fmt::Display,
{
    let mut is_too_large = announced.is_some_and(|announced| announced > max as u64);
    let mut body = pin!(body);
    let mut whole = Whole::Nothing;
    while !is_too_large && let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(mut data) = frame.into_data() else { continue };
        is_too_large = whole.len() + data.remaining() > max;
        if !is_too_large {
            whole = whole.with(data.copy_to_bytes(data.remaining()));
        }
    }
    if is_too_large {
        // A client that is answered while it still writes sees a broken connection instead of the answer.
        let _ = tokio::time::timeout(DISCARD_FOR, discard(body, max.saturating_mul(DISCARD_TIMES))).await;
        return Err(BodyError::TooLarge);
    }
    Ok(whole.into_bytes())
}

/// Reads a body to its end and throws it away, at most `max` bytes of it.
async fn discard<B: http_body::Body>(mut body: Pin<&mut B>, max: usize) {
    let mut n_bytes = 0;
    while n_bytes < max
        && let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await
    {
        n_bytes += frame.data_ref().map_or(0, Buf::remaining);
    }
}

/// Most bodies come in one piece, which is then used as it is.
enum Whole {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(piece) => piece.len(),
            Self::Many(pieces) => pieces.len(),
        }
    }

    fn with(self, piece: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(piece),
            Self::One(first) => {
                let mut pieces = BytesMut::from(&first[..]);
                pieces.extend_from_slice(&piece);
                Self::Many(pieces)
            }
            Self::Many(mut pieces) => {
                pieces.extend_from_slice(&piece);
                Self::Many(pieces)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(piece) => piece,
            Self::Many(pieces) => pieces.freeze(),
        }
    }
}

fn refusal(error: RequestError) -> Refusal {
    match error {
        RequestError::Overlap => Refusal::Overlap,
        RequestError::WrongTransport => Refusal::TransportMismatch,
        RequestError::Gone => Refusal::UnknownSid,
    }
}

/// The content type of packets.
const TEXT: &str = "text/plain; charset=UTF-8";
/// Only protocol 3 knows binary payloads.
const OCTETS: &str = "application/octet-stream";
/// How much of a body that is too large is still read, in multiples of the limit, and for how long.
const DISCARD_TIMES: usize = 10;
const DISCARD_FOR: Duration = Duration::from_secs(2);
/// How long a poll may take longer than a POST that was sent after it.
const OVERTAKEN_BY: Duration = Duration::from_millis(20);
/// How many packets of one body are handled before others get their turn.
const PACKETS_PER_TURN: usize = 64;
