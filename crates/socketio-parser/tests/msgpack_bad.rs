//! MessagePack that is no packet, and every limit at its bound and one past it.

#![cfg(feature = "msgpack")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use std::time::{Duration, Instant};

use engine_io_parser::Message;
use serde::de::IgnoredAny;
use socketio_parser::{DecodeError, Limits, Packet, Parser, Value};

fn decode(frame: Vec<u8>, limits: Limits) -> Result<Packet, DecodeError> {
    Parser::Msgpack(limits).decoder().decode_binary(frame.into()).map(|packet| packet.unwrap())
}

/// A packet of members that are written already.
fn packet(members: &[&[u8]]) -> Vec<u8> {
    [&[0x80 | u8::try_from(members.len()).unwrap()][..], &members.concat()].concat()
}

const EVENT: &[u8] = b"\xa4type\x02";
const ACK: &[u8] = b"\xa4type\x03";
const CONNECT: &[u8] = b"\xa4type\x00";
const DISCONNECT: &[u8] = b"\xa4type\x01";
const REFUSAL: &[u8] = b"\xa4type\x04";
const ROOT: &[u8] = b"\xa3nsp\xa1/";
const DATA: &[u8] = b"\xa4data\x91\xa1e";
const ID: &[u8] = b"\xa2id\x01";

macro_rules! refused {
    ($($error:pat => $($frame:expr),+;)+) => {$($(
        let frame: Vec<u8> = $frame;
        let refused = decode(frame.clone(), Limits::default());
        assert!(matches!(refused, Err($error)), "{}: {refused:?}", frame.escape_ascii());
    )+)+};
}

#[test]
fn what_is_no_packet_is_refused() {
    assert!(decode(packet(&[EVENT, ROOT, DATA]), Limits::default()).is_ok());
    refused! {
        DecodeError::MalformedMsgpack { at: 0 } =>
            vec![], vec![0xc1], vec![0x90], vec![0xc0], b"\xa42[e]".to_vec(), b"2[\"e\"]".to_vec();
        DecodeError::MalformedMsgpack { .. } =>
            // A key without a value, and keys that are no strings.
            b"\x83\xa4type\x00\xa3nsp\xa1/\xa2id".to_vec(),
            packet(&[EVENT, ROOT, DATA, b"\x01\x01"]),
            packet(&[EVENT, ROOT, DATA, b"\x90\x01"]),
            // Lengths that the frame does not have.
            b"\xdf\xff\xff\xff\xff".to_vec(),
            packet(&[EVENT, ROOT, b"\xa4data\xdd\xff\xff\xff\xff\xa1e"]),
            packet(&[EVENT, ROOT, b"\xa4data\x92\xa1e\xdf\x80\x00\x00\x00"]),
            packet(&[EVENT, ROOT, b"\xa4data\x92\xa1e\xdb\xff\xff\xff\xff"]),
            packet(&[EVENT, ROOT, b"\xa4data\x92\xa1e\xc1"]),
            packet(&[EVENT, ROOT, DATA, b"\xa7options\x82\xa1a"]),
            // Bytes behind the packet, and members that stand twice.
            [packet(&[EVENT, ROOT, DATA]), vec![0xc0]].concat(),
            packet(&[EVENT, ROOT, DATA, EVENT]),
            packet(&[EVENT, ROOT, DATA, ROOT]),
            packet(&[EVENT, ROOT, DATA, DATA]),
            packet(&[EVENT, ROOT, DATA, ID, ID]);
        DecodeError::UnknownPacketType =>
            packet(&[ROOT, DATA]),
            packet(&[b"\xa4type\x05", ROOT, DATA]),
            packet(&[b"\xa4type\x06", ROOT, DATA, ID]),
            packet(&[b"\xa4type\x07", ROOT, DATA]),
            packet(&[b"\xa4type\xff", ROOT, DATA]),
            packet(&[b"\xa4type\xcd\x01\x02", ROOT, DATA]),
            packet(&[b"\xa4type\xa12", ROOT, DATA]),
            packet(&[b"\xa4type\xc0", ROOT, DATA]);
        DecodeError::InvalidNamespace =>
            packet(&[EVENT, DATA]),
            packet(&[EVENT, b"\xa3nsp\xa0", DATA]),
            packet(&[EVENT, b"\xa3nsp\xa1a", DATA]),
            packet(&[EVENT, b"\xa3nsp\xa2/,", DATA]),
            packet(&[EVENT, b"\xa3nsp\xa2/\n", DATA]),
            packet(&[EVENT, b"\xa3nsp\xa2/\xff", DATA]),
            packet(&[EVENT, b"\xa3nsp\xc4\x01/", DATA]),
            packet(&[EVENT, b"\xa3nsp\xc0", DATA]);
        DecodeError::InvalidAckId =>
            packet(&[EVENT, ROOT, DATA, b"\xa2id\xff"]),
            packet(&[EVENT, ROOT, DATA, b"\xa2id\xa11"]),
            packet(&[EVENT, ROOT, DATA, b"\xa2id\xca\x3f\x80\x00\x00"]),
            packet(&[CONNECT, ROOT, b"\xa2id\xc3"]);
        DecodeError::MissingAckId => packet(&[ACK, ROOT, DATA]), packet(&[ACK, ROOT, b"\xa2id\xc0"]);
        DecodeError::InvalidPayload =>
            packet(&[EVENT, ROOT]),
            packet(&[EVENT, ROOT, b"\xa4data\x90"]),
            packet(&[EVENT, ROOT, b"\xa4data\x80"]),
            packet(&[EVENT, ROOT, b"\xa4data\xa1e"]),
            packet(&[EVENT, ROOT, b"\xa4data\xc0"]),
            packet(&[EVENT, ROOT, b"\xa4data\x91\xc0"]),
            packet(&[EVENT, ROOT, b"\xa4data\x91\xa1\xff"]),
            packet(&[EVENT, ROOT, b"\xa4data\x91\xc4\x01e"]),
            packet(&[EVENT, ROOT, b"\xa4data\x91\xca\x3f\x80\x00\x00"]),
            packet(&[EVENT, ROOT, b"\xa4data\x91\x90"]),
            packet(&[ACK, ROOT, ID, b"\xa4data\x80"]),
            packet(&[CONNECT, ROOT, b"\xa4data\x90"]),
            packet(&[CONNECT, ROOT, b"\xa4data\xa1x"]),
            packet(&[CONNECT, ROOT, b"\xa4data\xc4\x00"]),
            packet(&[DISCONNECT, ROOT, b"\xa4data\x80"]),
            packet(&[REFUSAL, ROOT]),
            packet(&[REFUSAL, ROOT, b"\xa4data\x01"]),
            packet(&[REFUSAL, ROOT, b"\xa4data\x90"]);
        DecodeError::ReservedEvent =>
            packet(&[EVENT, ROOT, b"\xa4data\x91\xa7connect"]),
            packet(&[EVENT, ROOT, b"\xa4data\x91\xd9\x0adisconnect"]);
    }
}

#[test]
fn texts_are_refused() {
    let mut decoder = Parser::Msgpack(Limits::default()).decoder();
    for text in ["", "2[\"e\"]", "0"] {
        assert!(matches!(decoder.decode(Message::from(text)), Err(DecodeError::TextInBinaryFormat)));
    }
    assert_eq!(decoder.pending(), None);
}

/// Clients in languages without `undefined` send `nil` instead.
#[test]
fn nil_is_as_good_as_nothing_where_nothing_may_be() {
    for nothing in [&b"\xc0"[..], b"\xd4\x00\x00"] {
        let data = [b"\xa4data", nothing].concat();
        let id = [b"\xa2id", nothing].concat();
        let decoded = |members: &[&[u8]]| decode(packet(members), Limits::default()).unwrap();
        assert!(matches!(decoded(&[CONNECT, ROOT, &data]), Packet::Connect { auth: None, .. }));
        assert!(matches!(decoded(&[DISCONNECT, ROOT, &data]), Packet::Disconnect { .. }));
        assert!(matches!(decoded(&[EVENT, ROOT, DATA, &id]), Packet::Event { id: None, .. }));
        let Packet::Ack { id: 1, args, .. } = decoded(&[ACK, ROOT, ID, &data]) else { panic!("no ack") };
        assert!(args.is_empty());
    }
}

#[test]
fn members_may_stand_in_any_order_beside_others() {
    let options = b"\xa7options\x82\xa8compress\xc3\xa4deep\x91\x91\xd4\x05\x00";
    let frame = packet(&[DATA, b"\xabattachments\x05", options, options, ROOT, EVENT, ID]);
    assert!(matches!(decode(frame, Limits::default()), Ok(Packet::Event { id: Some(1), .. })));
}

#[test]
fn namespace_length() {
    for max in [512, 16] {
        let limits = Limits::default().with_max_namespace_bytes(max);
        for (kind, data) in [(EVENT, DATA), (CONNECT, b"\xa4data\xc0"), (DISCONNECT, b"\xa4data\xc0")] {
            let frame = |len: usize| {
                let head = [&b"\xa3nsp\xda"[..], &u16::try_from(len).unwrap().to_be_bytes()].concat();
                let name = format!("/{}", "n".repeat(len - 1));
                packet(&[kind, &[&head[..], name.as_bytes()].concat(), data])
            };
            assert!(decode(frame(max), limits).is_ok());
            assert!(matches!(
                decode(frame(max + 1), limits),
                Err(DecodeError::NamespaceTooLong { len, .. }) if len == max + 1
            ));
        }
    }
}

#[test]
fn ack_ids() {
    let frame = |id: u64| packet(&[EVENT, ROOT, DATA, &[b"\xa2id\xcf", &id.to_be_bytes()[..]].concat()]);
    let highest = (1 << 53) - 1;
    assert!(matches!(
        decode(frame(highest), Limits::default()),
        Ok(Packet::Event { id: Some(id), .. }) if id == highest
    ));
    assert!(matches!(decode(frame(highest + 1), Limits::default()), Err(DecodeError::AckIdTooLarge)));
    // A small number in a long form, and in a form that has a sign.
    assert!(matches!(decode(frame(1), Limits::default()), Ok(Packet::Event { id: Some(1), .. })));
    let signed = packet(&[EVENT, ROOT, DATA, b"\xa2id\xd3\0\0\0\0\0\0\0\x01"]);
    assert!(matches!(decode(signed, Limits::default()), Ok(Packet::Event { id: Some(1), .. })));
}

/// What a packet can nest its payload in, and how many levels of the limit its own form takes.
const PLACES: [(&[u8], &[u8], usize); 5] = [
    (EVENT, b"\xa4data\x92\xa1e", 1),
    (ACK, b"\xa2id\x01\xa4data\x91", 1),
    (CONNECT, b"\xa4data\x81\xa1a", 2),
    (REFUSAL, b"\xa4data\x81\xa4data", 2),
    // As deep in what nobody reads; the map that the packet is counts nowhere.
    (CONNECT, b"\xa7options", 0),
];

fn nested(kind: &[u8], before: &[u8], open: &[u8], levels: usize, value: &[u8]) -> Vec<u8> {
    let n_members = if before.starts_with(b"\xa2id") { 4 } else { 3 };
    [&[0x80 | n_members], kind, ROOT, before, &open.repeat(levels), value].concat()
}

#[test]
fn nesting() {
    for (kind, before, used) in PLACES {
        for open in [&b"\x91"[..], b"\x81\xa1k", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01"] {
            for max in [128, 8] {
                let limits = Limits::default().with_max_depth(max);
                let frame = |levels| nested(kind, before, open, levels, &[0xc0]);
                assert!(decode(frame(max - used), limits).is_ok(), "{kind:x?} {open:x?} {max}");
                let refused = decode(frame(max - used + 1), limits);
                assert!(
                    matches!(refused, Err(DecodeError::TooDeep { max: m }) if m == max),
                    "{kind:x?} {open:x?}"
                );
            }
        }
    }
}

#[test]
fn a_larger_depth_counts_as_128() {
    let limits = Limits::default().with_max_depth(usize::MAX);
    let frame = |levels| nested(EVENT, b"\xa4data\x92\xa1e", b"\x91", levels, &[0xc0]);
    let Ok(Packet::Event { args, .. }) = decode(frame(127), limits) else { panic!("no event") };
    let value: Value = args.get().unwrap();
    args.get::<IgnoredAny>().unwrap();
    let parser = Parser::Msgpack(limits);
    let again = parser.encode_ack("/", 1, &value).unwrap();
    assert!(parser.decoder().decode(again.frames()[0].to_message()).is_ok());
    assert!(matches!(decode(frame(128), limits), Err(DecodeError::TooDeep { max: 128 })));
}

/// Far beyond the limit, whole or not: it is refused before anything calls itself.
#[test]
fn endless_nesting_is_refused_everywhere() {
    for levels in [1_000, 100_000, 1_000_000] {
        for (kind, before, _) in PLACES {
            for (open, value) in
                [(&b"\x91"[..], &b"\xc0"[..]), (b"\x91", b""), (b"\x81\xa1k", b""), (b"\x81\x91", b"")]
            {
                let frame = nested(kind, before, open, levels, value);
                assert!(matches!(decode(frame, Limits::default()), Err(DecodeError::TooDeep { .. })));
            }
        }
        assert!(decode(b"\x91".repeat(levels), Limits::default()).is_err());
        assert!(decode(b"\x81".repeat(levels), Limits::default()).is_err());
    }
}

/// Nothing is quadratic, and no length that is only said makes room: each of these takes milliseconds.
#[test]
fn large_packets_take_linear_time() {
    let start = Instant::now();
    let event = |values: &[u8], count: u32| {
        let list = [&b"\xa4data\xdd"[..], &(count + 1).to_be_bytes(), b"\xa1e", values].concat();
        packet(&[EVENT, ROOT, &list])
    };
    let count = 300_000_u32;
    for frame in [
        event(&[0xc0].repeat(count as usize), count),
        event(&[0x90].repeat(count as usize), count),
        event(b"\x81\xa1k\xc0".repeat(count as usize).as_slice(), count),
        event(b"\x91\xdd\x00\x04\x93\xe0", 1),
        event(b"\xdd\x7f\xff\xff\xff".repeat(100_000).as_slice(), 100_000),
        event(b"\xdf\x7f\xff\xff\xff".repeat(100_000).as_slice(), 100_000),
        event(b"\xc6\xff\xff\xff\xff".repeat(100_000).as_slice(), 100_000),
    ] {
        if let Ok(Packet::Event { args, .. }) = decode(frame, Limits::default()) {
            assert_eq!(args.len(), count as usize);
            assert_eq!(args.to_vec::<Value>().unwrap().len(), args.len());
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
