//! A parser of somebody's own, written with the public API only: each packet is one binary message, which holds JSON
//! with byte strings as lists of numbers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use engine_io_parser::{Message, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use socketio_parser::{
    Args, Binary, CustomDecoder, CustomPacket, CustomParser, CustomValue, DecodeError, EncodeError,
    EncodedPacket, EventHeader, Packet, PacketType, Parser, Payload, Value,
};

type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Debug)]
struct OneFrame;

#[derive(Serialize, Deserialize)]
struct Wire<D> {
    r#type: u8,
    nsp: String,
    id: Option<u64>,
    data: D,
}

impl CustomParser for OneFrame {
    fn encode(&self, packet: &CustomPacket<'_>) -> Result<EncodedPacket, BoxError> {
        let nsp = packet.namespace.to_owned();
        let wire = Wire { r#type: packet.packet_type as u8, nsp, id: packet.id, data: packet.data };
        Ok(EncodedPacket::new([Message::Binary(serde_json::to_vec(&wire)?.into())]))
    }

    fn decoder(&self) -> Box<dyn CustomDecoder> {
        Box::new(OneFrameDecoder)
    }
}

#[derive(Debug)]
struct OneFrameDecoder;

impl CustomDecoder for OneFrameDecoder {
    fn decode_text(&mut self, _: Text) -> Result<Option<Packet>, BoxError> {
        Err("this format has no text".into())
    }

    fn decode_binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, BoxError> {
        let Wire { r#type, nsp, id, data } = serde_json::from_slice::<Wire<Json>>(&bytes)?;
        let namespace = Text::from(nsp);
        let is = |kind: PacketType| r#type == kind as u8;
        let list = |data| match data {
            Json::Array(list) => Ok(list),
            _ => Err("the data is no list"),
        };
        let args = |values: Vec<Json>| {
            Args::custom(values.into_iter().map(|value| Arc::new(Tree(value)) as Arc<dyn CustomValue>))
        };
        Ok(Some(if is(PacketType::Event) {
            let mut list = list(data)?;
            let Json::String(name) = list.remove(0) else { return Err("the name is no string".into()) };
            Packet::Event { namespace, id, name: name.into(), args: args(list) }
        } else if is(PacketType::Ack) {
            Packet::Ack { namespace, id: id.ok_or("no id")?, args: args(list(data)?) }
        } else if is(PacketType::Connect) {
            let auth = (!data.is_null()).then(|| Payload::custom(Arc::new(Tree(data))));
            Packet::Connect { namespace, auth }
        } else if is(PacketType::ConnectError) {
            Packet::ConnectError { namespace, data: Payload::custom(Arc::new(Tree(data))) }
        } else if is(PacketType::Disconnect) {
            Packet::Disconnect { namespace }
        } else {
            return Err("unknown type".into());
        }))
    }
}

struct Tree(Json);

impl CustomValue for Tree {
    fn deserialize<'de>(
        &'de self,
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'de>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), erased_serde::Error> {
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&self.0))
    }
}

fn parser() -> Parser {
    Parser::Custom(Arc::new(OneFrame))
}

fn through(packet: Result<EncodedPacket, EncodeError>) -> Packet {
    let mut decoder = parser().decoder();
    let mut frames = packet.unwrap().into_frames();
    let packet = decoder.decode(frames.next().unwrap().to_message()).unwrap().unwrap();
    assert_eq!(frames.len(), 0);
    packet
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Upload {
    name: String,
    content: Binary,
}

#[test]
fn typed_arguments_pass() {
    let upload = Upload { name: "x".to_owned(), content: Binary::from(vec![1, 2]) };
    let event = through(parser().encode_event(&EventHeader::new("/n", "up").id(3), &(&upload, [7, 8])));
    let Packet::Event { namespace, id, name, args } = event else { panic!("no event") };
    assert_eq!((&*namespace, id, &*name, args.len()), ("/n", Some(3), "up", 2));
    assert_eq!(args.get::<(Upload, (u8, u8), Option<u8>)>().unwrap(), (upload, (7, 8), None));
    assert_eq!(args.get::<(Value, &str)>().ok(), None);

    let event = through(parser().encode_event(&EventHeader::new("/", "borrowed"), "text"));
    let Packet::Event { args, .. } = event else { panic!("no event") };
    assert_eq!(args.get::<&str>().unwrap(), "text");
}

#[test]
fn the_type_says_how_many_arguments_there_are() {
    fn ack<T: Serialize>(args: &T) -> Vec<Json> {
        let Packet::Ack { args, .. } = through(parser().encode_ack("/", 1, args)) else { panic!("no ack") };
        args.to_vec().unwrap()
    }
    assert_eq!(ack(&()), [0; 0]);
    assert_eq!(ack(&1), [1]);
    assert_eq!(ack(&(1, 2)), [1, 2]);
    assert_eq!(ack(&[1, 2]), [1, 2]);
    assert_eq!(ack(&vec![1, 2]), [serde_json::json!([1, 2])]);
    assert_eq!(ack(&None::<u8>), [Json::Null]);
    assert_eq!(ack(&serde_json::json!({"a": 1})), [serde_json::json!({"a": 1})]);
}

#[test]
fn an_offset_is_the_last_argument() {
    let header = EventHeader::new("/", "e").offset("o1");
    let Packet::Event { args, .. } = through(parser().encode_event(&header, &(1, "x"))) else {
        panic!("no event")
    };
    assert_eq!(args.get::<(u8, &str, &str)>().unwrap(), (1, "x", "o1"));
}

#[test]
fn arguments_pass_from_one_format_to_the_other() {
    let event = through(parser().encode_event(&EventHeader::new("/", "e"), &("x", 1)));
    let Packet::Event { args, .. } = event else { panic!("no event") };
    let packet = Parser::default().encode_event(&EventHeader::new("/", "e"), &args).unwrap();
    assert_eq!(packet.frames()[0].packet(), br#"42["e","x",1]"#);
}

#[test]
fn other_packets_pass() {
    let auth = serde_json::json!({"token": "t"});
    let Packet::Connect { auth: Some(received), .. } = through(parser().encode_connect("/", Some(&auth)))
    else {
        panic!("no auth")
    };
    assert_eq!(received.get::<Json>().unwrap(), auth);
    assert!(matches!(through(parser().encode_connect::<()>("/", None)), Packet::Connect { auth: None, .. }));
    assert!(matches!(through(parser().encode_disconnect("/a")), Packet::Disconnect { .. }));
    let refusal = through(parser().encode_connect_error("/", "no", Some(&1)));
    let Packet::ConnectError { data, .. } = refusal else { panic!("no refusal") };
    assert_eq!(data.get::<Json>().unwrap(), serde_json::json!({"message": "no", "data": 1}));
}

#[test]
fn what_every_format_must_keep_is_checked() {
    let decode = |json: &str| parser().decoder().decode_binary(json.to_owned().into());
    let event = |nsp, name| format!(r#"{{"type":2,"nsp":"{nsp}","data":["{name}"]}}"#);
    assert!(decode(&event("/", "e")).is_ok());
    assert!(matches!(decode(&event("/", "connect")), Err(DecodeError::ReservedEvent)));
    assert!(matches!(decode(&event("n", "e")), Err(DecodeError::InvalidNamespace)));
    assert!(matches!(decode("{"), Err(DecodeError::Custom(_))));
    assert!(matches!(parser().decoder().decode_text("2".into()), Err(DecodeError::Custom(_))));
}
