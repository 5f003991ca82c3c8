//! MessagePack against what the official package writes, and the values that only it has.
//!
//! `data/msgpack.json` has packets as `socket.io-msgpack-parser` 3.0.2 encodes them in Node.js, and beside them the frames that
//! `socket.io-parser` makes of the same packet: both must read alike.

#![cfg(feature = "msgpack")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::Bytes;
use engine_io_parser::Message;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;
use socketio_parser::{
    Args, Binary, DecodeError, EncodeError, EncodedPacket, EventHeader, Limits, Packet, Parser, Value,
};

use self::support::{Frame, from_hex};

fn parser() -> Parser {
    Parser::Msgpack(Limits::default())
}

fn decode(frame: impl Into<Bytes>) -> Result<Packet, DecodeError> {
    parser().decoder().decode_binary(frame.into()).map(|packet| packet.unwrap())
}

fn bytes_of(packet: Result<EncodedPacket, EncodeError>) -> Bytes {
    match &support::frames_of(&packet.unwrap())[..] {
        [Frame::Binary { hex }] => from_hex(hex),
        other => panic!("one binary frame: {other:?}"),
    }
}

/// The arguments of an event whose data is an array of the name `e` and one value, here as MessagePack.
fn arg(value: &[u8]) -> Args {
    let frame = [b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e", value].concat();
    match decode(frame) {
        Ok(Packet::Event { args, .. }) => args,
        other => panic!("no event: {other:?}"),
    }
}

/// How we write one argument.
fn written<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let frame = bytes_of(parser().encode_ack("/", 0, &(value,)));
    frame.strip_prefix(b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x00\xa4data\x91").unwrap().to_vec()
}

#[derive(Debug, PartialEq)]
struct Told {
    kind: &'static str,
    namespace: String,
    id: Option<u64>,
    name: Option<String>,
    values: Vec<Value>,
}

fn tell(packet: &Packet) -> Told {
    let (kind, id, name, values) = match packet {
        Packet::Connect { auth, .. } => {
            ("connect", None, None, auth.iter().map(|auth| auth.get().unwrap()).collect())
        }
        Packet::Disconnect { .. } => ("disconnect", None, None, vec![]),
        Packet::Event { id, name, args, .. } => {
            ("event", *id, Some(name.to_string()), args.to_vec().unwrap())
        }
        Packet::Ack { id, args, .. } => ("ack", Some(*id), None, args.to_vec().unwrap()),
        Packet::ConnectError { data, .. } => ("connect_error", None, None, vec![data.get().unwrap()]),
    };
    Told { kind, namespace: packet.namespace().to_string(), id, name, values }
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    json: Vec<Frame>,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("data/msgpack.json")).unwrap();
    assert!(vectors.len() > 20);
    vectors
}

#[test]
fn packets_of_the_official_parser_read_as_their_json_does() {
    for Vector { name, hex, json } in vectors() {
        let expected = support::decode(&json).unwrap().unwrap();
        let packet = decode(from_hex(&hex)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(tell(&packet), tell(&expected), "{name}");
    }
}

/// Some packets of theirs, cut anywhere, are still maps; none of them is a packet.
#[test]
fn a_packet_that_is_cut_short_is_refused() {
    for Vector { name, hex, .. } in vectors() {
        let frame = from_hex(&hex);
        for end in 0..frame.len() {
            assert!(decode(frame.slice(..end)).is_err(), "{name} at {end}");
        }
        assert!(decode([&frame[..], &[0xc0]].concat()).is_err(), "{name} with a byte more");
    }
}

#[test]
fn packets_are_written_as_the_official_parser_reads_them() {
    let event = EventHeader::new("/chat", "say").id(7).offset("o1");
    for (packet, expected) in [
        (
            parser().encode_event(&event, &("hello", 3)),
            &b"\x84\xa4type\x02\xa3nsp\xa5/chat\xa2id\x07\xa4data\x94\xa3say\xa5hello\x03\xa2o1"[..],
        ),
        (parser().encode_ack("/", 300, &()), b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\xcd\x01\x2c\xa4data\x90"),
        (parser().encode_connect::<()>("/", None), b"\x82\xa4type\x00\xa3nsp\xa1/"),
        (
            parser().encode_connect("/", Some(&json!({"sid": "x"}))),
            b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x81\xa3sid\xa1x",
        ),
        (parser().encode_disconnect("/"), b"\x82\xa4type\x01\xa3nsp\xa1/"),
        (
            parser().encode_connect_error("/", "no", Some(&1)),
            b"\x83\xa4type\x04\xa3nsp\xa1/\xa4data\x82\xa7message\xa2no\xa4data\x01",
        ),
    ] {
        assert_eq!(bytes_of(packet), expected);
    }
}

#[test]
fn the_type_says_how_many_arguments_there_are() {
    fn ack<T: Serialize>(args: &T) -> Vec<Value> {
        let Ok(Packet::Ack { args, .. }) = decode(bytes_of(parser().encode_ack("/", 1, args))) else {
            panic!("no ack")
        };
        args.to_vec().unwrap()
    }
    let one = Value::Integer(1);
    assert_eq!(ack(&()), []);
    assert_eq!(ack(&1), vec![one.clone()]);
    assert_eq!(ack(&(1, 1)), vec![one.clone(); 2]);
    assert_eq!(ack(&[1, 1]), vec![one.clone(); 2]);
    assert_eq!(ack(&vec![1]), [Value::Array(vec![one])]);
    assert_eq!(ack(&None::<u8>), [Value::Null]);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
    unit: (),
    pair: (i8, f32),
    shapes: Vec<Shape>,
    by_number: BTreeMap<i32, char>,
    by_bool: BTreeMap<bool, u64>,
    binary: Option<Binary>,
    #[serde(flatten)]
    more: BTreeMap<String, i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(u16),
    Tuple(u8, i128),
    Struct { a: bool },
}

#[test]
fn types_pass_and_have_the_form_they_have_in_json() {
    let sent = Everything {
        text: "é".to_owned(),
        left_out: None,
        unit: (),
        pair: (-7, 0.5),
        shapes: vec![Shape::Unit, Shape::Newtype(9), Shape::Tuple(1, -2), Shape::Struct { a: true }],
        by_number: BTreeMap::from([(-1, 'x'), (700, '水')]),
        by_bool: BTreeMap::from([(true, u64::MAX)]),
        binary: None,
        more: BTreeMap::from([("z".to_owned(), i64::MIN)]),
    };
    let args = arg(&written(&sent));
    assert_eq!(args.get::<Everything>().unwrap(), sent);
    assert_eq!(args.get::<serde_json::Value>().unwrap(), serde_json::to_value(&sent).unwrap());
    let with_binary = Everything { binary: Some(Binary::from(vec![1, 2])), ..sent };
    assert_eq!(arg(&written(&with_binary)).get::<Everything>().unwrap(), with_binary);
}

#[test]
fn json_text_is_written_as_the_value_it_says() {
    let raw = RawValue::from_string(r#"{"a" : [1, 2.5, null, "x"]}"#.to_owned()).unwrap();
    assert_eq!(written(&raw), b"\x81\xa1a\x94\x01\xcb\x40\x04\0\0\0\0\0\0\xc0\xa1x");
}

#[test]
fn numbers_have_the_shortest_form() {
    assert_eq!(written(&(-1_i64)), [0xff]);
    assert_eq!(written(&200_i64), [0xcc, 200]);
    assert_eq!(written(&u64::MAX), [&[0xcf][..], &[0xff; 8]].concat());
    assert_eq!(written(&i64::MIN), [&[0xd3, 0x80][..], &[0; 7]].concat());
    assert_eq!(written(&5_u128), [5]);
    assert!(matches!(
        parser().encode_ack("/", 0, &(u128::from(u64::MAX) + 1)),
        Err(EncodeError::Serialize(_))
    ));
    assert!(parser().encode_ack("/", 0, &(i128::from(i64::MIN) - 1)).is_err());
    assert!(arg(&written(&f64::NAN)).get::<f64>().unwrap().is_nan());
    assert_eq!(arg(&written(&f32::INFINITY)).get::<f32>().unwrap(), f32::INFINITY);
    assert_eq!(arg(&written(&0.1_f32)).get::<f32>().unwrap(), 0.1);
}

#[test]
fn a_wrong_length_is_an_error_and_not_another_packet() {
    struct Lying;
    impl Serialize for Lying {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(Some(2))?;
            list.serialize_element(&1)?;
            list.end()
        }
    }
    assert!(matches!(parser().encode_ack("/", 0, &Lying), Err(EncodeError::Serialize(_))));
    assert!(parser().encode_ack("/", 0, &BTreeMap::from([((), 1)])).is_err());
    assert!(parser().encode_ack("/", 0, &BTreeMap::from([([1], 1)])).is_err());
}

#[test]
fn a_connect_needs_an_object_and_may_hold_binary() {
    assert!(matches!(parser().encode_connect("/", Some(&[1])), Err(EncodeError::InvalidPayload)));
    let auth = BTreeMap::from([("key", Binary::from(vec![7]))]);
    let Ok(Packet::Connect { auth: Some(auth), .. }) =
        decode(bytes_of(parser().encode_connect("/", Some(&auth))))
    else {
        panic!("no auth")
    };
    assert_eq!(auth.get::<BTreeMap<&str, Binary>>().unwrap()["key"][..], [7]);
    assert!(auth.json_text().is_none());
}

#[test]
fn strings_and_binary_are_borrowed_from_the_frame() {
    let Ok(Packet::Event { args, .. }) = decode(bytes_of(
        parser().encode_event(&EventHeader::new("/", "e"), &("text", Binary::from(vec![1, 2, 3]), ("in",))),
    )) else {
        panic!("no event")
    };
    let (text, bytes, nested): (&str, &serde_bytes::Bytes, (&str,)) = args.get().unwrap();
    assert_eq!((text, &bytes[..], nested), ("text", &[1, 2, 3][..], ("in",)));
    let (_, shared): (IgnoredAny, Binary) = args.get().unwrap();
    assert_eq!(shared.as_ptr(), bytes.as_ptr());
    let Value::Binary(shared) = args.to_vec::<Value>().unwrap().remove(1) else { panic!("no binary") };
    assert_eq!(shared.as_ptr(), bytes.as_ptr());
    assert_eq!(args.json_texts().count(), 0);
    assert!(args.attachments().is_empty());
}

#[test]
fn binary_is_never_read_as_text() {
    let args = arg(b"\xc4\x01x");
    assert!(args.get::<String>().is_err());
    assert!(args.get::<char>().is_err());
    assert!(args.get::<serde_json::Value>().is_err());
    assert_eq!(args.get::<Vec<u8>>().unwrap(), b"x");
    assert_eq!(args.get::<Option<Binary>>().unwrap().unwrap()[..], *b"x");
}

/// `undefined`, which the official encoder writes as an extension.
#[test]
fn undefined_is_nothing() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Unit;
    let args = arg(&[0xd4, 0, 0]);
    assert_eq!(args.get::<Option<u8>>().unwrap(), None);
    args.get::<((),)>().unwrap();
    assert_eq!(args.get::<Unit>().unwrap(), Unit);
    assert_eq!(args.get::<serde_json::Value>().unwrap(), serde_json::Value::Null);
    assert!(args.get::<u8>().is_err());
    assert!(args.get::<String>().is_err());
}

#[track_caller]
fn check_date(bytes: &[u8], text: &str, millis: i64) {
    let args = arg(bytes);
    assert_eq!(args.get::<String>().unwrap(), text);
    assert_eq!(args.get::<Option<Value>>().unwrap(), Some(Value::String(text.to_owned())));
    assert_eq!(args.get::<i64>().unwrap(), millis);
    assert_eq!(args.get::<f64>().unwrap(), millis as f64);
    args.get::<IgnoredAny>().unwrap();
}

#[test]
fn dates_are_the_strings_of_json_or_numbers() {
    let millis = 1_582_979_696_789_i64;
    let text = "2020-02-29T12:34:56.789Z";
    check_date(&[&[0xd7, 0][..], &millis.to_be_bytes()].concat(), text, millis);
    let both = (789_000_000_u64 << 34) | 1_582_979_696;
    check_date(&[&[0xd7, 0xff][..], &both.to_be_bytes()].concat(), text, millis);
    let short = 1_582_979_696_u32;
    check_date(
        &[&[0xd6, 0xff][..], &short.to_be_bytes()].concat(),
        "2020-02-29T12:34:56.000Z",
        1_582_979_696_000,
    );
    let before = [&[0xc7, 12, 0xff][..], &789_000_000_u32.to_be_bytes(), &(-1_i64).to_be_bytes()].concat();
    check_date(&before, "1969-12-31T23:59:59.789Z", -211);
}

#[test]
fn a_number_as_key_is_its_digits() {
    let args = arg(&[0x82, 0x07, 0xc3, 0xff, 0xc2]);
    assert_eq!(args.get::<BTreeMap<i8, bool>>().unwrap(), BTreeMap::from([(7, true), (-1, false)]));
    assert_eq!(args.get::<serde_json::Value>().unwrap(), json!({"7": true, "-1": false}));
}

/// Each of these values can't be read as what is asked for, and leaves the rest of the packet as it is.
#[test]
fn a_value_that_cannot_be_read_costs_only_itself() {
    fn refuses<T: DeserializeOwned + Debug>(value: &[u8]) {
        let args = arg(value);
        assert!(args.get::<T>().is_err(), "{value:x?}");
        args.get::<IgnoredAny>().unwrap();
    }
    refuses::<String>(b"\xa3\xed\xa0\x80");
    refuses::<Value>(b"\xa1\xff");
    refuses::<Value>(b"\x81\xa1\xff\xc0");
    refuses::<Value>(b"\x81\xc0\xc0");
    refuses::<Value>(b"\x81\x90\xc0");
    refuses::<BTreeMap<String, u8>>(b"\x81\xc4\x01x\x01");
    refuses::<Value>(&[0xd4, 5, 0]);
    refuses::<Value>(&[0xd5, 0, 0, 0]);
    refuses::<Value>(&[&[0xd7, 0][..], &[0x7f; 8]].concat());
    refuses::<u8>(&[0xcd, 1, 0]);
    refuses::<u8>(&[0xff]);
    refuses::<i32>(&[0xca, 0x3f, 0x80, 0, 0]);
    refuses::<(u8, u8)>(b"\x91\x01");
    refuses::<[u8; 1]>(b"\x92\x01\x02");
    refuses::<Shape>(b"\x82\xa4Unit\xc0\xa4Unit\xc0");
    refuses::<Shape>(b"\x81\x01\xc0");
    refuses::<Shape>(b"\xa4None");
}

#[test]
fn arguments_pass_from_one_format_to_the_other_with_their_binary_values() {
    let args = support::args(r#"51-["e",{"a":{"_placeholder":true,"num":0}},1.5]"#, &[b"x"]);
    let frame = bytes_of(parser().encode_event(&EventHeader::new("/", "e"), &args));
    let Ok(Packet::Event { args, .. }) = decode(frame) else { panic!("no event") };
    let again = Parser::default().encode_event(&EventHeader::new("/", "e"), &args).unwrap();
    assert_eq!(again.frames()[0].packet(), br#"451-["e",{"a":{"_placeholder":true,"num":0}},1.5]"#);
    assert_eq!(again.frames()[1].to_message(), Message::Binary(Bytes::from_static(b"x")));
}

#[test]
fn an_offset_can_not_be_added_afterwards() {
    let packet = parser().encode_event(&EventHeader::new("/", "e"), &1).unwrap();
    assert!(parser().append_offset(&packet, "o").is_none());
}
