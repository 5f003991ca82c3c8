//! Servers that speak another format than the default one.

#![allow(clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use socketio_server::engine::Message;
use socketio_server::parser::{
    CustomDecoder, CustomPacket, CustomParser, EncodedPacket, Packet, PacketType, Text,
};
use socketio_server::{Args, ConfigError, Limits, Parser, Server, Socket};
use support::{Peer, build};

/// Texts such as `2 /chat ["event"]`.
#[derive(Debug)]
struct Spaced;

impl CustomParser for Spaced {
    fn encode(&self, packet: &CustomPacket<'_>) -> Result<EncodedPacket, Box<dyn Error + Send + Sync>> {
        #[derive(Serialize)]
        #[serde(transparent)]
        struct Payload<'a>(&'a dyn erased_serde::Serialize);
        let data = packet.data.map(Payload).map(|data| serde_json::to_string(&data)).transpose()?;
        let text = format!("{} {} {}", packet.packet_type as u8, packet.namespace, data.unwrap_or_default());
        Ok(EncodedPacket::new([Message::from(text)]))
    }

    fn decoder(&self) -> Box<dyn CustomDecoder> {
        Box::new(Self)
    }
}

impl CustomDecoder for Spaced {
    fn decode_text(&mut self, text: Text) -> Result<Option<Packet>, Box<dyn Error + Send + Sync>> {
        let mut words = text.splitn(3, ' ');
        let kind = words.next();
        let namespace: Text = words.next().ok_or("no namespace")?.into();
        let is = |expected: PacketType| kind == Some(&*(expected as u8).to_string());
        Ok(Some(if is(PacketType::Connect) {
            Packet::Connect { namespace, auth: None }
        } else if is(PacketType::Event) {
            let name = words.next().ok_or("no event")?.into();
            Packet::Event { namespace, id: None, name, args: Args::default() }
        } else {
            return Err("unknown type".into());
        }))
    }

    fn decode_binary(&mut self, _: Bytes) -> Result<Option<Packet>, Box<dyn Error + Send + Sync>> {
        Err("this format has no binary frames".into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_custom_parser_is_spoken_in_both_directions() {
    let io = build(Server::builder().parser(Parser::Custom(Arc::new(Spaced))));
    io.on("ping", async |socket: Socket| socket.emit("pong", ("é", 1)));
    io.on("tell", async |io: Server| io.emit("told", true));
    let mut peer = Peer::open(&io);
    peer.send("0 /");
    assert!(peer.take()[0].starts_with(r#"0 / {"sid":""#));
    peer.send("2 / ping");
    peer.send("2 / tell");
    assert_eq!(peer.take(), [r#"2 / ["pong","é",1]"#, r#"2 / ["told",true]"#]);
    peer.send("9 /");
    assert!(peer.notice_close().is_some());
}

#[test]
fn limits_for_a_custom_parser_are_refused() {
    let builder = Server::builder().parser_limits(Limits::default()).parser(Parser::Custom(Arc::new(Spaced)));
    assert!(matches!(builder.build(), Err(ConfigError::LimitsOfCustomParser)));
}

#[tokio::test(start_paused = true)]
async fn limits_hold_in_whatever_order_they_are_set() {
    let limits = Limits::default().with_max_depth(2);
    for builder in [
        Server::builder().parser_limits(limits).parser(Parser::default()),
        Server::builder().parser(Parser::default()).parser_limits(limits),
        Server::builder().parser(Parser::Json(limits)),
    ] {
        let io = build(builder);
        let mut peer = Peer::join(&io);
        peer.send(r#"2["e",[1]]"#);
        assert!(peer.notice_close().is_none());
        peer.send(r#"2["e",[[1]]]"#);
        assert!(peer.notice_close().is_some());
    }
}

#[cfg(feature = "msgpack")]
mod msgpack {
    use socketio_server::handler::Attachments;
    use socketio_server::{Binary, Builder, Data, Reply};

    use super::*;

    fn builder() -> Builder {
        Server::builder().parser(Parser::Msgpack(Limits::default()))
    }

    fn join(io: &Server) -> Peer {
        let mut peer = Peer::open(io);
        peer.send_binary(b"\x82\xa4type\x00\xa3nsp\xa1/");
        let [answer] = &peer.take()[..] else { panic!("one answer") };
        assert!(answer.starts_with(r#"b:b"\x83\xa4type\0\xa3nsp\xa1/\xa4data\x81\xa3sid\xb4"#), "{answer}");
        peer
    }

    #[tokio::test(start_paused = true)]
    async fn events_acks_and_broadcasts_pass() {
        let io = build(builder());
        io.on("ask", async |Data((text, bytes)): Data<(String, Binary)>| Reply((bytes, text)))
            .on("tell", async |io: Server, args: Args| io.emit("told", args))
            .on("attachments", async |Attachments(all): Attachments| Reply(all.len()));
        let mut peer = join(&io);
        peer.send_binary(b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x93\xa3ask\xa1x\xc4\x01y");
        assert_eq!(peer.take(), [r#"b:b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x05\xa4data\x92\xc4\x01y\xa1x""#]);
        let mut other = join(&io);
        peer.send_binary(b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa4tell\xc0\xc4\x01y");
        let told = r#"b:b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x93\xa4told\xc0\xc4\x01y""#;
        assert_eq!((&peer.take()[..], &other.take()[..]), (&[told.to_owned()][..], &[told.to_owned()][..]));
        peer.send_binary(b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x06\xa4data\x92\xabattachments\x91\xc4\x01y");
        assert_eq!(peer.take(), [r#"b:b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x06\xa4data\x91\x01""#]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_value_costs_its_event_and_a_wrong_packet_the_connection() {
        let io = build(builder().parser_limits(Limits::default().with_max_depth(2)));
        io.on("text", async |Data(text): Data<String>| Reply(text));
        let mut peer = join(&io);
        // No text, an extension nobody knows, and a text.
        peer.send_binary(b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x92\xa4text\x01");
        peer.send_binary(b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x92\xa4text\xd4\x05\x00");
        assert_eq!(peer.take(), Vec::<String>::new());
        peer.send_binary(b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x05\xa4data\x92\xa4text\xa1x");
        assert_eq!(peer.take().len(), 1);
        peer.send_binary(b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\x91\x01");
        assert!(peer.notice_close().is_none());
        peer.send_binary(b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\x91\x91\x01");
        assert!(peer.notice_close().is_some());

        let mut peer = join(&io);
        peer.send("2[\"text\",\"x\"]");
        assert!(peer.notice_close().is_some());
    }
}
