//! From text to an explanation of it.

use std::error::Error;
use std::fmt::Write;

use engine_io_parser::{Limits, Message, PROBE, Packet as EnginePacket, PayloadDecoder};
use socketio_parser::{Args, Decoder, Limits as SocketLimits, Packet, Payload, Value};

use crate::show::{count, pretty};

/// Explains packets of one direction of a connection, in order.
#[derive(Debug)]
pub(crate) struct Inspector {
    limits: Limits,
    decoder: Decoder,
}

impl Default for Inspector {
    fn default() -> Self {
        Self { limits: Limits::default(), decoder: Decoder::new(SocketLimits::default()) }
    }
}

impl Inspector {
    /// Explains a text frame or the body of a polling request: a paragraph for each of its packets.
    pub(crate) fn payload(&mut self, payload: &str) -> String {
        let payload = payload.trim_end_matches(['\r', '\n']).replace("\\x1e", "\u{1e}");
        let mut text = String::new();
        for packet in PayloadDecoder::new(&payload, &self.limits) {
            let said = match packet.and_then(|packet| packet.to_packet(&self.limits)) {
                Ok(packet) => self.packet(packet),
                Err(error) => format!("no Engine.IO packet: {}", causes(&error)),
            };
            text.push_str(&said);
            text.push('\n');
        }
        text
    }

    /// What is to be said when nothing more comes.
    pub(crate) fn end(&self) -> String {
        match self.decoder.pending() {
            Some(pending) => {
                format!("incomplete: {} of the last event never came\n", attachments(pending.missing))
            }
            None => String::new(),
        }
    }

    fn packet(&mut self, packet: EnginePacket) -> String {
        match packet {
            EnginePacket::Open(handshake) => format!(
                "open: session {}, upgrades [{}], a ping every {:?}, {:?} for the pong{}",
                handshake.sid,
                handshake.upgrades.join(", "),
                handshake.ping_interval,
                handshake.ping_timeout,
                handshake
                    .max_payload_bytes
                    .map(|max| format!(", payloads of up to {max} bytes"))
                    .unwrap_or_default(),
            ),
            EnginePacket::Close => "close: the session ends".to_owned(),
            EnginePacket::Ping(data) => heartbeat("ping", &data),
            EnginePacket::Pong(data) => heartbeat("pong", &data),
            EnginePacket::Message(message) => format!("message: {}", self.message(message)),
            EnginePacket::Upgrade => {
                "upgrade: the client goes on with the transport it has probed".to_owned()
            }
            EnginePacket::Noop => "noop: nothing, ends a poll that waits".to_owned(),
        }
    }

    fn message(&mut self, message: Message) -> String {
        let size = match &message {
            Message::Text(_) => None,
            Message::Binary(bytes) => Some(bytes.len()),
        };
        let (said, lines) = match self.decoder.decode(message) {
            Ok(Some(packet)) => explain(&packet),
            Ok(None) => {
                let missing = attachments(self.decoder.pending().map_or(0, |pending| pending.missing));
                return match size {
                    Some(size) => format!("attachment of {}, {missing} to come", count(size, "byte")),
                    None => format!("event or answer, {missing} to come"),
                };
            }
            Err(error) => {
                self.decoder.reset();
                return format!("no Socket.IO packet: {}", causes(&error));
            }
        };
        let attached = size.map(|size| format!("attachment of {}, the last of\n  ", count(size, "byte")));
        lines.iter().fold(attached.unwrap_or_default() + &said, |mut text, line| {
            let _ = write!(text, "\n  {}", line.replace('\n', "\n  "));
            text
        })
    }
}

/// A sentence about a packet, and what it carries.
fn explain(packet: &Packet) -> (String, Vec<String>) {
    let namespace = packet.namespace();
    match packet {
        Packet::Connect { auth: None, .. } => (format!("connect to namespace {namespace}"), Vec::new()),
        Packet::Connect { auth: Some(auth), .. } => {
            (format!("connect to namespace {namespace}"), vec![format!("payload: {}", payload(auth))])
        }
        Packet::Disconnect { .. } => (format!("disconnect from namespace {namespace}"), Vec::new()),
        Packet::ConnectError { data, .. } => (
            format!("connection to namespace {namespace} refused"),
            vec![format!("reason: {}", payload(data))],
        ),
        Packet::Event { id, name, args, .. } => {
            let id = id.map(|id| format!(", answer wanted with ack id {id}")).unwrap_or_default();
            (format!("event {name:?} in namespace {namespace}{id}{}", attached(args)), arguments(args))
        }
        Packet::Ack { id, args, .. } => {
            (format!("answer to ack id {id} in namespace {namespace}{}", attached(args)), arguments(args))
        }
    }
}

fn arguments(args: &Args) -> Vec<String> {
    match args.to_vec::<Value>() {
        Ok(values) => values
            .iter()
            .enumerate()
            .map(|(i, value)| format!("argument {}: {}", i + 1, pretty(value)))
            .collect(),
        Err(error) => vec![format!("arguments not shown: {}", causes(&error))],
    }
}

fn payload(payload: &Payload) -> String {
    payload.get::<Value>().map_or_else(|error| causes(&error), |value| pretty(&value))
}

fn attached(args: &Args) -> String {
    match args.attachments().len() {
        0 => String::new(),
        n => format!(", {}", attachments(n)),
    }
}

fn attachments(n: usize) -> String {
    count(n, "attachment")
}

fn heartbeat(what: &str, data: &str) -> String {
    match data {
        "" => format!("{what}: heartbeat"),
        PROBE => format!("{what}: probe of a transport before an upgrade"),
        other => format!("{what}: with the data {other:?}"),
    }
}

/// An error with its causes.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
