//! Every limit, at its bound and one past it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use socketio_parser::{
    Binary, DecodeError, Decoder, EncodeError, EventHeader, Limits, Packet, Parser, Value,
};

fn decode(text: &str, limits: Limits) -> Result<Option<Packet>, DecodeError> {
    Decoder::new(limits).decode_text(text.into())
}

#[test]
fn attachments_in() {
    let limits = Limits::default();
    assert!(matches!(decode(r#"5100-["a"]"#, limits), Ok(None)));
    assert!(matches!(decode(r#"5101-["a"]"#, limits), Err(DecodeError::TooManyAttachments { max: 100 })));
    let strict = limits.with_max_attachments_in(2);
    assert!(matches!(decode(r#"62-1["a"]"#, strict), Ok(None)));
    assert!(matches!(decode(r#"63-1["a"]"#, strict), Err(DecodeError::TooManyAttachments { max: 2 })));
}

#[test]
fn attachments_out() {
    let binaries = |n: usize| vec![Binary::from(vec![1]); n];
    let emit = |parser: &Parser, n| parser.encode_event(&EventHeader::new("/", "a"), &binaries(n));
    assert_eq!(emit(&Parser::default(), 10).unwrap().frames().len(), 11);
    assert!(matches!(emit(&Parser::default(), 11), Err(EncodeError::TooManyAttachments { max: 10 })));
    let strict = Parser::Json(Limits::default().with_max_attachments_out(1));
    assert_eq!(emit(&strict, 1).unwrap().frames().len(), 2);
    assert!(matches!(emit(&strict, 2), Err(EncodeError::TooManyAttachments { max: 1 })));
    // Whoever passes on what was received with more attachments learns it, too.
    assert!(matches!(
        strict.encode_ack("/", 1, &binaries(2)),
        Err(EncodeError::TooManyAttachments { max: 1 })
    ));
}

#[test]
fn attachment_bytes() {
    let mut decoder = Decoder::new(Limits::default().with_max_attachment_bytes_total(10));
    let mut feed = |sizes: [usize; 3]| {
        decoder.reset();
        decoder.decode_text(r#"53-["a"]"#.into()).unwrap();
        sizes.map(|size| decoder.decode_binary(vec![0; size].into()).map(|packet| packet.is_some()))
    };
    assert!(matches!(feed([4, 5, 1]), [Ok(false), Ok(false), Ok(true)]));
    assert!(matches!(
        feed([4, 7, 0]),
        [
            Ok(false),
            Err(DecodeError::AttachmentsTooLarge { size: 11, max: 10 }),
            Err(DecodeError::UnexpectedBinary)
        ]
    ));
    assert!(matches!(feed([0, 0, 11]), [Ok(false), Ok(false), Err(DecodeError::AttachmentsTooLarge { .. })]));
}

#[test]
fn namespace_length() {
    let name = |len: usize| format!("/{}", "n".repeat(len - 1));
    for max in [512, 16] {
        let limits = Limits::default().with_max_namespace_bytes(max);
        for packet in [("0", ","), ("0", ""), ("2", r#",["a"]"#), ("51-", r#",["a"]"#), ("3", ",1[]")] {
            let text = |len| format!("{}{}{}", packet.0, name(len), packet.1);
            assert!(decode(&text(max), limits).is_ok(), "{max} {packet:?}");
            let refused = decode(&text(max + 1), limits);
            assert!(matches!(refused, Err(DecodeError::NamespaceTooLong { len, .. }) if len == max + 1));
        }
    }
}

#[test]
fn ack_ids() {
    let highest = (1 << 53) - 1;
    assert!(decode(&format!(r#"2{highest}["a"]"#), Limits::default()).is_ok());
    assert!(matches!(
        decode(&format!(r#"2{}["a"]"#, highest + 1), Limits::default()),
        Err(DecodeError::AckIdTooLarge)
    ));
    let parser = Parser::default();
    assert!(parser.encode_ack("/", highest, &()).is_ok());
    assert!(matches!(parser.encode_ack("/", highest + 1, &()), Err(EncodeError::AckIdTooLarge { .. })));
    assert!(parser.encode_event(&EventHeader::new("/", "a").id(highest + 1), &()).is_err());
}

/// What a packet can nest its payload in, and how many levels of the limit its own form takes.
const PLACES: [(&str, &str, usize); 8] = [
    (r#"2["a","#, "]", 1),
    (r#"2/nsp,1["a",1,"#, ",2]", 1),
    ("31[", "]", 1),
    (r#"51-["a",{"_placeholder":true,"num":0},"#, "]", 1),
    (r#"61-1["#, "]", 1),
    (r#"0{"a":"#, "}", 2),
    (r#"0/nsp,{"a":"#, "}", 2),
    (r#"4{"message":"","data":"#, "}", 2),
];

fn nested(open: &str, close: &str, levels: usize) -> String {
    format!("{}0{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn nesting() {
    for (before, after, used) in PLACES {
        for (open, close) in [("[", "]"), (r#"{"k":"#, "}")] {
            for max in [128, 8] {
                let limits = Limits::default().with_max_depth(max);
                let text = |levels| format!("{before}{}{after}", nested(open, close, levels));
                assert!(decode(&text(max - used), limits).is_ok(), "{before} {open} {max}");
                let refused = decode(&text(max - used + 1), limits);
                assert!(matches!(refused, Err(DecodeError::TooDeep { .. })), "{before} {open} {max}");
            }
        }
    }
}

/// The other bound is `serde_json`'s own; a packet that is accepted must not fail there.
#[test]
fn the_deepest_values_can_be_read_and_sent_again() {
    for (text, attachments) in [(r#"2["a","#, 0), (r#"51-["a","#, 1)] {
        let text = format!("{text}{}]", nested("[", "]", 127));
        let args = support::args(&text, &[b"x" as &[u8]][..attachments]);
        args.get::<serde_json::Value>().unwrap();
        let value: Value = args.get().unwrap();
        let packet = Parser::default().encode_event(&EventHeader::new("/", "a"), &value).unwrap();
        assert!(support::decode(&support::frames_of(&packet)).is_ok());
    }
    let auth = decode(&format!(r#"0{{"a":{}}}"#, nested("[", "]", 126)), Limits::default()).unwrap();
    let Some(Packet::Connect { auth: Some(auth), .. }) = auth else { panic!("no auth") };
    auth.get::<serde_json::Value>().unwrap();
}

#[test]
fn a_larger_depth_counts_as_128() {
    let limits = Limits::default().with_max_depth(usize::MAX);
    let text = |levels| format!(r#"2["a",{}]"#, nested("[", "]", levels));
    assert!(decode(&text(127), limits).is_ok());
    assert!(matches!(decode(&text(128), limits), Err(DecodeError::TooDeep { max: 128 })));
}

/// Far beyond the limit, closed or not, also where nobody would look at the value: it is refused before.
#[test]
fn endless_nesting_is_refused_everywhere() {
    for levels in [1_000, 100_000, 490_000] {
        for (before, after, _) in PLACES {
            for (open, close) in [("[", "]"), (r#"{"k":"#, "}"), ("[", ""), (r#"[{"k":"#, "")] {
                let text = format!("{before}{}{after}", nested(open, close, levels / open.len()));
                assert!(matches!(decode(&text, Limits::default()), Err(DecodeError::TooDeep { .. })));
            }
        }
    }
    let ok = support::args(&format!(r#"2["a",{}]"#, nested("[", "]", 100)), &[]);
    ok.get::<(&RawValue,)>().unwrap();
    ok.get::<(IgnoredAny,)>().unwrap();
}

/// Nothing is quadratic: each of these takes milliseconds, and would take minutes.
#[test]
fn large_packets_take_linear_time() {
    let million = |text: &str| text.repeat(1_000_000 / text.len());
    let placeholder = r#"{"_placeholder":true,"num":0},"#;
    let start = Instant::now();
    for text in [
        format!("42{}", million("2")),
        format!("2{}", million("2")),
        format!("5{}-", million("9")),
        format!("2/{}", million("n")),
        format!(r#"2["a"{}]"#, million(",1")),
        format!(r#"2["a","{}"]"#, million(r"\u0061")),
        format!(r#"2["{}"]"#, million(r"\n")),
        format!(r#"2["a",{}1]"#, million(" ")),
        format!(r#"2["a",{}]"#, million("1")),
        format!(r#"51-["a",{}1]"#, million(placeholder)),
        format!(r#"51-["a",{}1]"#, million(r#"{"num":"0","#)),
        format!(r#"51-["a",{{{}"z":1}}]"#, million(r#""num":0,"#)),
        format!(r#"51-["a",{{"num":"{}"}}]"#, million("x")),
    ] {
        let mut decoder = Decoder::new(Limits::default());
        let packet = decoder.decode_text(text.as_str().into()).and_then(|packet| match packet {
            Some(packet) => Ok(Some(packet)),
            None => decoder.decode_binary(Bytes::from_static(b"x")),
        });
        if let Ok(Some(Packet::Event { args, .. })) = packet {
            let values = args.to_vec::<Value>().unwrap_or_default();
            assert!(args.json_texts().count() >= values.len());
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_pending_packet_shows_and_can_be_dropped() {
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.pending(), None);
    decoder.decode_text(r#"52-/files,["a"]"#.into()).unwrap();
    let pending = decoder.pending().unwrap();
    assert_eq!((pending.namespace, pending.missing), ("/files", 2));
    decoder.decode_binary(Bytes::new()).unwrap();
    assert_eq!(decoder.pending().unwrap().missing, 1);
    decoder.reset();
    assert_eq!(decoder.pending(), None);
    assert!(matches!(decoder.decode_text(r#"2["b"]"#.into()), Ok(Some(Packet::Event { .. }))));
}
