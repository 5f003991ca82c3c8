//! How many arguments a type takes, and what happens if the sender thinks otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use std::error::Error;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use socketio_parser::{Args, Value};

use self::support::args;

fn event(json: &str) -> Args {
    args(&format!("2{json}"), &[])
}

#[test]
fn a_tuple_or_an_array_takes_several() {
    assert_eq!(event(r#"["e",1,"two"]"#).get::<(u8, String)>().unwrap(), (1, "two".to_owned()));
    assert_eq!(event(r#"["e",1,2]"#).get::<[u8; 2]>().unwrap(), [1, 2]);
    assert_eq!(event(r#"["e",1]"#).get::<(u8,)>().unwrap(), (1,));
}

#[test]
fn any_other_type_takes_one() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair(u8, u8);
    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i32,
    }
    assert_eq!(event(r#"["e",[1,2]]"#).get::<Vec<u8>>().unwrap(), [1, 2]);
    assert_eq!(event(r#"["e",[1,2]]"#).get::<Pair>().unwrap(), Pair(1, 2));
    assert_eq!(event(r#"["e",[1,2]]"#).get::<((u8, u8),)>().unwrap(), ((1, 2),));
    assert_eq!(event(r#"["e",{"x":1}]"#).get::<Point>().unwrap(), Point { x: 1 });
    assert_eq!(event(r#"["e",{"x":1}]"#).get::<Box<Point>>().unwrap(), Box::new(Point { x: 1 }));
    assert_eq!(event(r#"["e",null]"#).get::<Option<u8>>().unwrap(), None);
    assert_eq!(event(r#"["e","s"]"#).get::<Value>().unwrap(), Value::String("s".to_owned()));
}

#[test]
fn a_unit_takes_none() {
    event(r#"["e"]"#).get::<()>().unwrap();
    event(r#"["e",1,2]"#).get::<()>().unwrap();
}

#[test]
fn surplus_arguments_are_ignored() {
    assert_eq!(event(r#"["e",1,2,{"a":[3]}]"#).get::<(i32,)>().unwrap(), (1,));
    assert_eq!(event(r#"["e",1,2]"#).get::<i32>().unwrap(), 1);
}

#[test]
fn missing_arguments_are_none_or_null() {
    assert_eq!(event(r#"["e",1]"#).get::<(i32, Option<i32>)>().unwrap(), (1, None));
    assert_eq!(event(r#"["e"]"#).get::<Option<i32>>().unwrap(), None);
    assert_eq!(event(r#"["e"]"#).get::<(Option<u8>, (), Value)>().unwrap(), (None, (), Value::Null));
    assert_eq!(event(r#"["e"]"#).get::<serde_json::Value>().unwrap(), serde_json::Value::Null);
    assert_eq!(args("31", &[]).get::<Option<i32>>().unwrap(), None);
}

#[test]
fn a_missing_argument_that_is_needed_is_named() {
    let error = event(r#"["e",1]"#).get::<(i32, String)>().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "argument 2 is missing");
    assert!(args("31", &[]).get::<u8>().is_err());
}

#[test]
fn an_ack_has_no_name_before_its_arguments() {
    assert_eq!(args(r#"31["e",1]"#, &[]).get::<(String, u8)>().unwrap(), ("e".to_owned(), 1));
}

#[test]
fn all_arguments_can_be_read_whatever_their_number() {
    assert_eq!(event(r#"["e",1,2,3]"#).to_vec::<u8>().unwrap(), [1, 2, 3]);
    assert_eq!(event(r#"["e"]"#).to_vec::<u8>().unwrap(), [0_u8; 0]);
    assert!(event(r#"["e",1,"2"]"#).to_vec::<u8>().is_err());
    assert_eq!((event(r#"["e",1,2]"#).len(), event(r#"["e"]"#).is_empty()), (2, true));
}

#[test]
fn arguments_may_borrow_from_the_packet() {
    let args = event(r#"["e","plain",{"k":"v"}]"#);
    let (text, raw): (&str, &RawValue) = args.get().unwrap();
    assert_eq!((text, raw.get()), ("plain", r#"{"k":"v"}"#));
    // With an escape there is nothing to borrow.
    assert!(event(r#"["e","\n"]"#).get::<&str>().is_err());
    assert_eq!(event(r#"["e","\n"]"#).get::<std::borrow::Cow<'_, str>>().unwrap(), "\n");
}

/// The connection is sound; only who reads such a value learns of it.
#[test]
fn values_without_a_rust_counterpart_cost_their_reader_only() {
    let args = event(r#"["e","\ud800",1e999,7]"#);
    assert!(args.get::<String>().is_err());
    assert!(args.get::<(IgnoredAny, f64)>().is_err());
    assert_eq!(args.get::<(IgnoredAny, IgnoredAny, u8)>().unwrap().2, 7);
    assert_eq!(args.json_texts().next(), Some(r#""\ud800""#));
}

#[test]
fn half_a_surrogate_pair_in_a_name_is_replaced() {
    let packet = support::decode(&[support::Frame::Text(r#"2["a\ud800"]"#.to_owned())]).unwrap();
    let Some(socketio_parser::Packet::Event { name, .. }) = packet else { panic!("no event") };
    assert!(name.starts_with("a\u{fffd}"), "{name}");
}

/// Read and sent again, a number is still the number that JavaScript wrote.
#[test]
fn floats_are_exact() {
    for text in [
        "0.30000000000000004",
        "5e-324",
        "1.7976931348623157e+308",
        "9007199254740993.5",
        "2.2250738585072011e-308",
    ] {
        let value: f64 = event(&format!(r#"["e",{text}]"#)).get().unwrap();
        assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
    }
}

#[test]
fn big_numbers_and_floats_keep_their_kind() {
    let args = event(r#"["e",-1,9223372036854775808,1.5,1e3,123456789012345678901]"#);
    let expected = [
        Value::Integer(-1),
        Value::Unsigned(9_223_372_036_854_775_808),
        Value::Float(1.5),
        Value::Float(1000.0),
        Value::Float(123_456_789_012_345_678_901.0),
    ];
    assert_eq!(args.to_vec::<Value>().unwrap(), expected);
}
