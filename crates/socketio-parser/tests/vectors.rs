//! The wire vectors of `tests/data`, read and written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use serde::Deserialize;
use socketio_parser::{EventHeader, Packet, Parser, Value};

use self::support::{Frame, decode, frames_of};

#[test]
fn good_packets_decode() {
    for case in good() {
        let packet = decode(&case.frames).unwrap_or_else(|error| panic!("{}: {error}", case.name)).unwrap();
        assert_eq!(Expected::from(&packet), case.packet, "{}", case.name);
    }
}

#[test]
fn good_packets_encode() {
    for case in good().into_iter().filter(|case| !case.one_way) {
        let encoded = encode(&case.packet).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(frames_of(&encoded), case.encodes_as.unwrap_or(case.frames), "{}", case.name);
    }
}

#[test]
fn bad_packets_are_refused_with_the_reason() {
    let cases: Vec<Bad> = serde_json::from_str(include_str!("data/bad.json")).unwrap();
    for Bad { name, frames, error } in cases {
        assert_eq!(decode(&frames).expect_err(&name).to_string(), error, "{name}");
    }
}

/// Cut anywhere, a packet is refused or it is another packet; nothing panics.
#[test]
fn every_prefix_and_every_changed_byte_is_survived() {
    for case in good() {
        let Frame::Text(text) = &case.frames[0] else { panic!("{}", case.name) };
        let attachments = &case.frames[1..];
        for end in 0..text.len() {
            if let Some(prefix) = text.get(..end) {
                survive(prefix, attachments);
            }
        }
        for at in 0..text.len() {
            for byte in (0..0x80).chain([0xc3, 0xff]) {
                let mut changed = text.clone().into_bytes();
                changed[at] = byte;
                if let Ok(changed) = String::from_utf8(changed) {
                    survive(&changed, attachments);
                }
            }
        }
    }
}

fn survive(text: &str, attachments: &[Frame]) {
    let mut frames = vec![Frame::Text(text.to_owned())];
    frames.extend_from_slice(attachments);
    if let Ok(Some(Packet::Event { args, .. } | Packet::Ack { args, .. })) = decode(&frames) {
        let _ = args.to_vec::<Value>();
        let _ = args.get::<(Option<String>, Option<Vec<u8>>)>();
    }
}

fn encode(packet: &Expected) -> Result<socketio_parser::EncodedPacket, socketio_parser::EncodeError> {
    let parser = Parser::default();
    let nsp = &packet.nsp;
    let data = packet.data.as_ref().map(Hex::to_value);
    let args: Vec<Value> = packet.args.iter().flatten().map(Hex::to_value).collect();
    match &*packet.r#type {
        "connect" => parser.encode_connect(nsp, data.as_ref()),
        "disconnect" => parser.encode_disconnect(nsp),
        "connect_error" => {
            let Some(Value::Object(members)) = data else { panic!("no object") };
            let member = |name| members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
            let Some(Value::String(message)) = member("message") else { panic!("no message") };
            parser.encode_connect_error(nsp, message, member("data"))
        }
        "event" => {
            let mut header = EventHeader::new(nsp, packet.event.as_deref().unwrap());
            header.id = packet.id;
            parser.encode_event(&header, &Spread(&args))
        }
        "ack" => parser.encode_ack(nsp, packet.id.unwrap(), &Spread(&args)),
        other => panic!("{other}"),
    }
}

/// As many arguments as there are values.
struct Spread<'a>(&'a [Value]);

impl serde::Serialize for Spread<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for value in self.0 {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}

fn good() -> Vec<Good> {
    serde_json::from_str(include_str!("data/good.json")).unwrap()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    name: String,
    frames: Vec<Frame>,
    /// If not as it came.
    encodes_as: Option<Vec<Frame>>,
    /// Is accepted, but never written.
    #[serde(default)]
    one_way: bool,
    packet: Expected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    frames: Vec<Frame>,
    error: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    r#type: String,
    nsp: String,
    id: Option<u64>,
    event: Option<String>,
    args: Option<Vec<Hex>>,
    data: Option<Hex>,
}

impl From<&Packet> for Expected {
    fn from(packet: &Packet) -> Self {
        let nsp = packet.namespace().to_string();
        let empty = Self { r#type: String::new(), nsp, id: None, event: None, args: None, data: None };
        match packet {
            Packet::Connect { auth, .. } => Self {
                r#type: "connect".to_owned(),
                data: auth.as_ref().map(|auth| Hex::from(auth.get::<Value>().unwrap())),
                ..empty
            },
            Packet::Disconnect { .. } => Self { r#type: "disconnect".to_owned(), ..empty },
            Packet::Event { id, name, args, .. } => Self {
                r#type: "event".to_owned(),
                id: *id,
                event: Some(name.to_string()),
                args: Some(args.to_vec::<Value>().unwrap().into_iter().map(Hex::from).collect()),
                ..empty
            },
            Packet::Ack { id, args, .. } => Self {
                r#type: "ack".to_owned(),
                id: Some(*id),
                args: Some(args.to_vec::<Value>().unwrap().into_iter().map(Hex::from).collect()),
                ..empty
            },
            Packet::ConnectError { data, .. } => Self {
                r#type: "connect_error".to_owned(),
                data: Some(Hex::from(data.get::<Value>().unwrap())),
                ..empty
            },
        }
    }
}

/// A value in a data file, where `{"hex":"…"}` stands for what is binary.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Hex(Value);

impl From<Value> for Hex {
    fn from(value: Value) -> Self {
        Self(match value {
            Value::Binary(bytes) => {
                let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                Value::Object(vec![("hex".to_owned(), Value::String(hex))])
            }
            Value::Array(values) => {
                Value::Array(values.into_iter().map(|value| Self::from(value).0).collect())
            }
            Value::Object(members) => {
                Value::Object(members.into_iter().map(|(key, value)| (key, Self::from(value).0)).collect())
            }
            other => other,
        })
    }
}

impl Hex {
    fn to_value(&self) -> Value {
        match &self.0 {
            Value::Object(members) if members.len() == 1 && members[0].0 == "hex" => {
                let Value::String(hex) = &members[0].1 else { panic!("not hex") };
                Value::Binary(support::from_hex(hex))
            }
            Value::Array(values) => {
                Value::Array(values.iter().map(|value| Self(value.clone()).to_value()).collect())
            }
            Value::Object(members) => Value::Object(
                members.iter().map(|(key, value)| (key.clone(), Self(value.clone()).to_value())).collect(),
            ),
            other => other.clone(),
        }
    }
}
