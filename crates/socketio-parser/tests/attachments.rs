//! Binary values, wherever they may stand in a type.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;
use serde_json::value::RawValue;
use socketio_parser::{Binary, EncodeError, EventHeader, Packet, Parser, Value};

use self::support::args;

const PH0: &str = r#"{"_placeholder":true,"num":0}"#;
const PH1: &str = r#"{"_placeholder":true,"num":1}"#;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Field {
    b: Binary,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Field);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Variant {
    Unit,
    Newtype(Binary),
    Tuple(Binary, u8),
    Struct { b: Binary, n: i32 },
}

fn binary(bytes: &'static [u8]) -> Binary {
    Binary(Bytes::from_static(bytes))
}

/// Reads the one argument `json` with the attachments `00` and `01`.
fn read<T: DeserializeOwned>(json: &str) -> T {
    args(&format!(r#"52-["e",{json}]"#), &[b"00", b"01"]).get().unwrap()
}

#[test]
fn an_ignored_field_takes_nobody_elses_attachment() {
    let value: Field = read(&format!(r#"{{"a":{PH0},"b":{PH1}}}"#));
    assert_eq!(value.b, binary(b"01"));
}

#[test]
fn the_number_counts_and_not_the_order() {
    #[derive(Deserialize)]
    struct Both {
        a: Binary,
        b: Binary,
    }
    let Both { a, b } = read(&format!(r#"{{"a":{PH1},"b":{PH0}}}"#));
    assert_eq!((a, b), (binary(b"01"), binary(b"00")));
}

#[test]
fn an_option_holds_an_attachment() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Maybe {
        b: Option<Binary>,
    }
    assert_eq!(read::<Maybe>(&format!(r#"{{"b":{PH0}}}"#)).b, Some(binary(b"00")));
    assert_eq!(read::<Maybe>(r#"{"b":null}"#).b, None);
    assert_eq!(read::<Maybe>("{}").b, None);
    assert_eq!(read::<Option<Option<Binary>>>(PH1), Some(Some(binary(b"01"))));
}

#[test]
fn a_newtype_holds_an_attachment() {
    assert_eq!(read::<Newtype>(&format!(r#"{{"b":{PH0}}}"#)), Newtype(Field { b: binary(b"00") }));
    assert_eq!(
        read::<(Newtype, u8)>(&format!(r#"{{"b":{PH0}}},7"#)),
        (Newtype(Field { b: binary(b"00") }), 7)
    );
}

#[test]
fn enum_variants_hold_attachments() {
    assert_eq!(read::<Variant>(r#""Unit""#), Variant::Unit);
    assert_eq!(read::<Variant>(&format!(r#"{{"Newtype":{PH1}}}"#)), Variant::Newtype(binary(b"01")));
    assert_eq!(read::<Variant>(&format!(r#"{{"Tuple":[{PH1},3]}}"#)), Variant::Tuple(binary(b"01"), 3));
    assert_eq!(
        read::<Variant>(&format!(r#"{{"Struct":{{"n":-5,"b":{PH1}}}}}"#)),
        Variant::Struct { b: binary(b"01"), n: -5 }
    );
    let wrong = args(&format!(r#"51-["e",{PH0}]"#), &[b"00"]);
    assert!(wrong.get::<Variant>().is_err());
}

#[test]
fn serde_attributes_hold_attachments() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Tagged {
        File { content: Binary },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Bytes(Binary),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: HashMap<String, Binary>,
    }
    let tagged: Tagged = read(&format!(r#"{{"content":{PH1},"kind":"file"}}"#));
    assert_eq!(tagged, Tagged::File { content: binary(b"01") });
    assert_eq!(read::<Untagged>(PH0), Untagged::Bytes(binary(b"00")));
    assert_eq!(read::<Untagged>(r#""00""#), Untagged::Text("00".to_owned()));
    let flat: Flat = read(&format!(r#"{{"id":1,"x":{PH0},"y":{PH1}}}"#));
    assert_eq!(flat.rest["y"], binary(b"01"));
    round_trip(&tagged);
    round_trip(&flat);
}

#[test]
fn other_types_of_bytes_get_attachments_too() {
    assert_eq!(read::<ByteBuf>(PH1), ByteBuf::from(b"01"));
    assert_eq!(read::<Vec<u8>>(PH1), b"01");
    let borrowed = args(&format!(r#"51-["e",{PH0}]"#), &[b"00"]);
    let slice: &serde_bytes::Bytes = borrowed.get().unwrap();
    assert_eq!(&**slice, b"00");
    assert_eq!(slice.as_ptr(), borrowed.attachments()[0].as_ptr());
}

#[test]
fn an_attachment_is_handed_over_without_a_copy() {
    let received = args(&format!(r#"51-["e",{{"b":[{PH0}]}}]"#), &[b"0123456789"]);
    let mut map: HashMap<String, Vec<Binary>> = received.get().unwrap();
    assert_eq!(map.remove("b").unwrap()[0].as_ptr(), received.attachments()[0].as_ptr());

    let content = Bytes::from(vec![7; 100]);
    let packet = emit(&(1, Some(Binary(content.clone())))).unwrap();
    let [_, payload] = packet.frames()[1].websocket();
    assert_eq!(payload.as_ptr(), content.as_ptr());
}

#[test]
fn a_generic_value_keeps_attachments_and_order() {
    let value: Value = read(&format!(r#"{{"z":[{PH1}],"caf\u00e9":{PH0},"a":null}}"#));
    let bytes = |bytes: &'static [u8]| Value::Binary(Bytes::from_static(bytes));
    let expected = Value::Object(vec![
        ("z".to_owned(), Value::Array(vec![bytes(b"01")])),
        ("café".to_owned(), bytes(b"00")),
        ("a".to_owned(), Value::Null),
    ]);
    assert_eq!(value, expected);
    round_trip(&value);
}

#[test]
fn an_escaped_first_key_is_read() {
    let map: BTreeMap<String, u8> = args(r#"2["e",{"caf\u00e9":1}]"#, &[]).get().unwrap();
    assert_eq!(map["café"], 1);
    assert_eq!(read::<BTreeMap<String, u8>>(r#"{"caf\u00e9":1}"#)["café"], 1);
}

#[test]
fn keys_of_other_types_are_read_beside_attachments() {
    assert_eq!(read::<BTreeMap<u32, Binary>>(&format!(r#"{{"7":{PH0}}}"#))[&7], binary(b"00"));
    assert_eq!(read::<BTreeMap<i64, u8>>(r#"{"-7":1}"#)[&-7], 1);
    assert_eq!(read::<BTreeMap<bool, u8>>(r#"{"true":1}"#)[&true], 1);
    assert_eq!(read::<BTreeMap<char, u8>>(r#"{"é":1}"#)[&'é'], 1);
    let bad = args(r#"51-["e",{"7x":1}]"#, &[b"00"]);
    assert!(bad.get::<BTreeMap<u32, u8>>().is_err());
}

/// Beside attachments the same types are read as without them, and the same are refused.
#[test]
fn plain_values_read_alike_with_and_without_attachments() {
    fn check<T: DeserializeOwned + PartialEq + std::fmt::Debug>(json: &str) {
        let plain = args(&format!(r#"2["e",{json}]"#), &[]).get::<T>().ok();
        let bound = args(&format!(r#"51-["e",{json}]"#), &[b"00"]).get::<T>().ok();
        assert_eq!(plain, bound, "{json} as {}", std::any::type_name::<T>());
    }
    for json in [
        "1",
        "-1",
        "300",
        "1.5",
        "1e999",
        "18446744073709551615",
        "true",
        "null",
        r#""s""#,
        r#""\u00e9\n""#,
        r#""\ud800""#,
        "[]",
        "[1,2]",
        "[1,2,3]",
        "{}",
        r#"{"b":1}"#,
        r#"{"b":[1,2],"c":{}}"#,
        r#"{"Unit":null}"#,
        r#"{"Tuple":[[1],2]}"#,
        r#"{"Tuple":[[1],2],"x":1}"#,
        r#""Unit""#,
        r#""Nope""#,
        "[[1,2],3]",
        r#""x""#,
    ] {
        check::<bool>(json);
        check::<u8>(json);
        check::<i64>(json);
        check::<u64>(json);
        check::<i128>(json);
        check::<f64>(json);
        check::<char>(json);
        check::<String>(json);
        check::<Option<String>>(json);
        check::<()>(json);
        check::<Vec<u8>>(json);
        check::<Vec<Value>>(json);
        check::<(Vec<u8>, u8)>(json);
        check::<((u8, u8), Option<u8>)>(json);
        check::<BTreeMap<String, serde_json::Value>>(json);
        check::<serde_json::Value>(json);
        check::<Value>(json);
        check::<Binary>(json);
        check::<ByteBuf>(json);
        check::<Variant>(json);
        check::<Field>(json);
        check::<Newtype>(json);
        check::<[u8; 2]>(json);
    }
}

#[test]
fn a_json_value_never_stands_for_an_attachment() {
    let received = args(&format!(r#"51-["e",{PH0}]"#), &[b"00"]);
    assert!(received.get::<serde_json::Value>().is_err());
    let raw: Box<RawValue> = received.get().unwrap();
    assert_eq!(raw.get(), PH0, "a raw value is the text as it came");
}

#[test]
fn an_attachment_is_no_text_even_if_it_could_be() {
    let received = args(&format!(r#"51-["e",{PH0}]"#), &[b"text"]);
    assert!(received.get::<String>().is_err());
    assert!(received.get::<&str>().is_err());
    assert!(received.get::<u8>().is_err());
    assert!(received.get::<((),)>().is_err());
}

#[test]
fn the_text_of_arguments_is_as_it_came() {
    let received = args(&format!(r#"51-["e", 1.50 ,{{"b" : {PH0}}}, "\ud800" ]"#), &[b"00"]);
    let texts: Vec<&str> = received.json_texts().collect();
    assert_eq!(texts, ["1.50", &format!(r#"{{"b" : {PH0}}}"#), r#""\ud800""#]);
}

#[test]
fn any_type_with_binary_values_survives_the_way() {
    round_trip(&Field { b: binary(b"x") });
    round_trip(&Newtype(Field { b: binary(b"") }));
    round_trip(&Some(Variant::Newtype(binary(b"y"))));
    round_trip(&vec![
        Variant::Unit,
        Variant::Tuple(binary(b"1"), 2),
        Variant::Struct { b: binary(b"3"), n: 4 },
    ]);
    round_trip(&BTreeMap::from([(3, ByteBuf::from(b"three")), (1, ByteBuf::from(b"one"))]));
    round_trip(&(binary(b"a"), "text".to_owned(), binary(b"a")));
    round_trip(&[Some(binary(b"a")), None]);
}

fn emit<T: Serialize>(args: &T) -> Result<socketio_parser::EncodedPacket, EncodeError> {
    Parser::default().encode_event(&EventHeader::new("/", "e"), args)
}

fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let Ok(Some(Packet::Event { args, .. })) = support::decode(&support::frames_of(&emit(value).unwrap()))
    else {
        panic!("no event")
    };
    assert_eq!(&args.get::<T>().unwrap(), value);
    // Passed on by somebody who does not know the type, it is still the same.
    let Ok(Some(Packet::Event { args, .. })) = support::decode(&support::frames_of(&emit(&args).unwrap()))
    else {
        panic!("no event")
    };
    assert_eq!(&args.get::<T>().unwrap(), value);
}
