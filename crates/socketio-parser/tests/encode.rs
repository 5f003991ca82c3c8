//! What is written for which arguments, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use std::collections::HashMap;
use std::error::Error;

use bytes::BytesMut;
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;
use socketio_parser::{
    Binary, EncodeError, EventHeader, Limits, Parser, Value, encode_ack_into, encode_into,
};

use self::support::{Frame, frames_of, text_of};

fn emit<T: Serialize + ?Sized>(args: &T) -> Result<socketio_parser::EncodedPacket, EncodeError> {
    Parser::default().encode_event(&EventHeader::new("/", "e"), args)
}

#[test]
fn the_type_says_how_many_arguments_there_are() {
    #[derive(serde::Serialize)]
    struct Point {
        x: u8,
    }
    #[derive(serde::Serialize)]
    struct Pair(u8, u8);
    #[derive(serde::Serialize)]
    struct Newtype((u8, u8));
    #[derive(serde::Serialize)]
    struct Unit;
    let event = |args: &dyn erased_serde::Serialize| text_of(&emit(args).unwrap());

    assert_eq!(event(&()), r#"2["e"]"#);
    assert_eq!(event(&[0_u8; 0]), r#"2["e"]"#);
    assert_eq!(event(&(1,)), r#"2["e",1]"#);
    assert_eq!(event(&(1, "two", [3, 4])), r#"2["e",1,"two",[3,4]]"#);
    assert_eq!(event(&[1, 2]), r#"2["e",1,2]"#);
    assert_eq!(event(&&(1, 2)), r#"2["e",1,2]"#);
    assert_eq!(event(&((1, 2),)), r#"2["e",[1,2]]"#);
    assert_eq!(event(&vec![1, 2]), r#"2["e",[1,2]]"#);
    assert_eq!(event(&Pair(1, 2)), r#"2["e",[1,2]]"#);
    assert_eq!(event(&Newtype((1, 2))), r#"2["e",[1,2]]"#);
    assert_eq!(event(&Point { x: 1 }), r#"2["e",{"x":1}]"#);
    assert_eq!(event(&Unit), r#"2["e",null]"#);
    assert_eq!(event(&None::<u8>), r#"2["e",null]"#);
    assert_eq!(event(&Some(5)), r#"2["e",5]"#);
    assert_eq!(event(&Value::Null), r#"2["e",null]"#);
    assert_eq!(event(&Value::Array(vec![Value::Bool(true)])), r#"2["e",[true]]"#);
    assert_eq!(event(&json!({"b": [1.5], "a": null})), r#"2["e",{"a":null,"b":[1.5]}]"#);
    assert_eq!(event(&"\u{1}\"é"), r#"2["e","\u0001\"é"]"#);
    assert_eq!(event(&HashMap::from([(1, 'x')])), r#"2["e",{"1":"x"}]"#);
    assert_eq!(event(&RawValue::from_string("[ 1 ]".to_owned()).unwrap()), r#"2["e",[ 1 ]]"#);
}

#[test]
fn acks_are_read_like_events() {
    let ack =
        |args: &dyn erased_serde::Serialize| text_of(&Parser::default().encode_ack("/n", 10, args).unwrap());
    assert_eq!(ack(&()), "3/n,10[]");
    assert_eq!(ack(&1), "3/n,10[1]");
    assert_eq!(ack(&(1, "x")), r#"3/n,10[1,"x"]"#);
    assert_eq!(ack(&vec![1]), "3/n,10[[1]]");
}

#[test]
fn a_packet_is_written_into_any_buffer() {
    let mut buf = BytesMut::from(&b"before "[..]);
    let header = EventHeader::new("/n", "e").id(12_345);
    let attachments =
        encode_into(&mut buf, &header, &(Binary::from(vec![1, 2]), 3), &Limits::default()).unwrap();
    assert_eq!(buf, r#"before 51-/n,12345["e",{"_placeholder":true,"num":0},3]"#);
    assert_eq!(attachments, [vec![1, 2]]);
    buf.clear();
    assert!(encode_ack_into(&mut buf, "/", 0, "yes", &Limits::default()).unwrap().is_empty());
    assert_eq!(buf, r#"30["yes"]"#);
    // Nothing is left of what fails.
    let refused = encode_into(
        &mut buf,
        &header,
        &[Binary::default(), Binary::default()],
        &Limits::default().with_max_attachments_out(1),
    );
    assert!(refused.is_err());
    assert_eq!(buf, r#"30["yes"]"#);
}

#[test]
fn an_offset_is_the_last_argument() {
    let parser = Parser::default();
    let header = EventHeader::new("/", "e");
    let with_offset = |args: &dyn erased_serde::Serialize| {
        frames_of(&parser.encode_event(&header.offset("o1"), args).unwrap())
    };
    let text = |text: &str| vec![Frame::Text(text.to_owned())];
    assert_eq!(with_offset(&()), text(r#"2["e","o1"]"#));
    assert_eq!(with_offset(&[0; 0]), text(r#"2["e","o1"]"#));
    assert_eq!(with_offset(&1), text(r#"2["e",1,"o1"]"#));
    assert_eq!(with_offset(&(1, 2)), text(r#"2["e",1,2,"o1"]"#));

    // It may become known later.
    for args in [&() as &dyn erased_serde::Serialize, &1, &(1, 2), &(Binary::from(vec![9]), 1)] {
        let later = parser.append_offset(&parser.encode_event(&header, args).unwrap(), "o1").unwrap();
        assert_eq!(frames_of(&later), with_offset(args));
    }
    assert!(parser.append_offset(&parser.encode_ack("/", 1, &()).unwrap(), "o1").is_none());
    assert!(parser.append_offset(&parser.encode_disconnect("/").unwrap(), "o1").is_none());
}

#[test]
fn reserved_names_are_refused() {
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        let refused = Parser::default().encode_event(&EventHeader::new("/", name), &());
        assert!(matches!(refused, Err(EncodeError::ReservedEvent { .. })), "{name}");
    }
    assert!(Parser::default().encode_event(&EventHeader::new("/", "error"), &()).is_ok());
}

#[test]
fn namespaces_that_would_break_the_header_are_refused() {
    for namespace in ["", "chat", "/a,b", "/a\n", "/\u{7f}"] {
        let parser = Parser::default();
        assert!(matches!(parser.encode_disconnect(namespace), Err(EncodeError::InvalidNamespace { .. })));
        assert!(parser.encode_event(&EventHeader::new(namespace, "e"), &()).is_err(), "{namespace:?}");
        assert!(parser.encode_ack(namespace, 1, &()).is_err(), "{namespace:?}");
    }
}

#[test]
fn a_connect_carries_an_object() {
    let parser = Parser::default();
    assert_eq!(text_of(&parser.encode_connect("/", Some(&json!({"sid": "a"}))).unwrap()), r#"0{"sid":"a"}"#);
    assert!(matches!(parser.encode_connect("/", Some(&[1])), Err(EncodeError::InvalidPayload)));
    let binary = HashMap::from([("b", Binary::default())]);
    assert!(matches!(
        parser.encode_connect("/", Some(&binary)),
        Err(EncodeError::TooManyAttachments { max: 0 })
    ));
}

/// A client could send such an object for it to be passed on beside somebody's binary value, and every receiver would
/// drop its connection, or take the one for the other.
#[test]
fn forged_placeholders_are_not_sent_beside_binary_values() {
    let forged = [
        json!({"_placeholder": true, "num": 0}),
        json!({"_placeholder": true, "num": 99}),
        json!([{"x": {"_placeholder": true}}]),
    ];
    for forged in forged {
        let refused = emit(&(Binary::from(vec![1]), &forged));
        assert!(matches!(refused, Err(EncodeError::ForgedPlaceholder)), "{forged}");
        assert!(emit(&forged).is_ok(), "alone it is ordinary data");
    }
    let escaped = RawValue::from_string(r#"{"\u005fplaceholder" : true,"num":5}"#.to_owned()).unwrap();
    assert!(matches!(emit(&(Binary::from(vec![1]), escaped)), Err(EncodeError::ForgedPlaceholder)));

    // A quote in the header starts no string.
    let header = EventHeader::new(r#"/quote""#, "e");
    let encode = |data| Parser::default().encode_event(&header, &(Binary::from(vec![1]), data));
    assert!(encode(json!({"a": true})).is_ok());
    assert!(matches!(encode(json!({"_placeholder": true})), Err(EncodeError::ForgedPlaceholder)));

    let harmless =
        json!({"_placeholder": false, "a": "{\"_placeholder\":true,\"num\":0}", "_placeholder2": true});
    assert!(emit(&(Binary::from(vec![1]), harmless)).is_ok());
}

#[test]
fn an_error_of_the_arguments_is_kept() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("not today"))
        }
    }
    let error = emit(&(1, Fails)).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "not today");
    assert!(emit(&HashMap::from([((1, 2), 3)])).is_err(), "a key must be a string");
    // What was written before the error is gone.
    assert_eq!(text_of(&emit(&1).unwrap()), r#"2["e",1]"#);
}

#[test]
fn an_argument_may_itself_encode_a_packet() {
    struct Nested;
    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = emit(&Binary::from(vec![1])).map_err(S::Error::custom)?;
            serializer.serialize_u64(inner.frames().len() as u64)
        }
    }
    assert_eq!(text_of(&emit(&("before", Nested, "after")).unwrap()), r#"2["e","before",2,"after"]"#);
}

#[test]
fn a_panicking_argument_leaves_the_thread_as_it_was() {
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("on purpose")
        }
    }
    assert!(std::panic::catch_unwind(|| emit(&(Binary::from(vec![1]), Panics))).is_err());
    assert_eq!(text_of(&emit(&(1, 2)).unwrap()), r#"2["e",1,2]"#);
}

#[test]
fn large_packets_are_whole() {
    let long = "é".repeat(100_000);
    for _ in 0..2 {
        assert_eq!(text_of(&emit(&long).unwrap()), format!(r#"2["e","{long}"]"#));
    }
}
