//! Between the format that clients speak and the one in which nodes pass events and answers on, which is JSON.
//!
//! With the default parser both are the same, and a frame's text is used as it is. Any other packet is read and written
//! again, by way of generic values.

use std::error::Error;

use bytes::Bytes;
use engine_io_parser::{SharedFrame, TextFrameBuf};
use serde::Serialize;
use smallvec::SmallVec;
use socketio_adapter::{BroadcastFlags, JsonArgs, Outgoing};
use socketio_parser::{Args, ArgsError, EncodeError, EventHeader, Parser, Value};

use crate::json_args;

/// The frames of one packet.
type Frames = SmallVec<[SharedFrame; 1]>;

/// Encodes an event for clients of this node and for other nodes; of the flags, `compress` counts.
pub(crate) fn outgoing<T: Serialize + ?Sized>(
    parser: &Parser,
    event: &EventHeader<'_>,
    args: &T,
    flags: &BroadcastFlags,
) -> Result<Outgoing, EncodeError> {
    let outgoing = encode(parser, event, args)?;
    Ok(if flags.may_compress() { outgoing } else { outgoing.without_compression() })
}

fn encode<T: Serialize + ?Sized>(
    parser: &Parser,
    event: &EventHeader<'_>,
    args: &T,
) -> Result<Outgoing, EncodeError> {
    let packet = parser.encode_event(event, args)?;
    if let Parser::Json(_) = parser {
        return Ok(Outgoing::from_frames(packet.into_frames()));
    }
    Ok(Outgoing::from_parts(packet.into_frames(), json_args::of_event(event.name, args)?))
}

/// The frames of an event that is known by its arguments, its name being the first.
pub(crate) fn frames_of_args(
    parser: &Parser,
    namespace: &str,
    id: Option<u64>,
    args: &JsonArgs,
) -> Result<Frames, Box<dyn Error + Send + Sync>> {
    if let Parser::Json(_) = parser {
        return Ok(json_frames(namespace, id, args)?);
    }
    let (name, args) = json_args::read_event(args)?;
    let mut event = EventHeader::new(namespace, &name);
    event.id = id;
    Ok(parser.encode_event(&event, &args)?.into_frames().collect())
}

/// Frames of this node's own making as the flags want them; of these, `compress` counts.
pub(crate) fn flagged(frames: Frames, flags: &BroadcastFlags) -> Frames {
    if flags.may_compress() {
        return frames;
    }
    frames.into_iter().map(SharedFrame::without_compression).collect()
}

/// A client's answer as nodes pass it on.
///
/// # Errors
///
/// An answer in another format can hold what JSON has no form for.
pub(crate) fn ack_to_json(args: &Args) -> Result<JsonArgs, EncodeError> {
    if !is_json(args) {
        return json_args::of_answer(args);
    }
    let mut json = String::from("[");
    for (idx, text) in args.json_texts().enumerate() {
        if idx > 0 {
            json.push(',');
        }
        json.push_str(text);
    }
    json.push(']');
    Ok(JsonArgs::new(json, args.attachments().to_vec()))
}

/// The binary values among arguments, in the order in which they came.
///
/// # Errors
///
/// In a format without attachments they are searched for, which needs all arguments to be readable.
pub(crate) fn binary_values(args: &Args) -> Result<Vec<Bytes>, ArgsError> {
    if is_json(args) {
        return Ok(args.attachments().to_vec());
    }
    let mut found = Vec::new();
    args.to_vec::<Value>()?.into_iter().for_each(|value| collect_binary(value, &mut found));
    Ok(found)
}

/// Values nest no deeper than the parser let them.
fn collect_binary(value: Value, found: &mut Vec<Bytes>) {
    match value {
        Value::Binary(bytes) => found.push(bytes),
        Value::Array(values) => values.into_iter().for_each(|value| collect_binary(value, found)),
        Value::Object(members) => members.into_iter().for_each(|(_, value)| collect_binary(value, found)),
        _ => {}
    }
}

/// Only the default parser's arguments have texts.
fn is_json(args: &Args) -> bool {
    args.is_empty() || args.json_texts().next().is_some()
}

/// The frames of an event in the default format: `2`, or `5` and the number of attachments, and so on.
fn json_frames(
    namespace: &str,
    id: Option<u64>,
    args: &JsonArgs,
) -> Result<Frames, engine_io_parser::Utf8Error> {
    let mut buf = TextFrameBuf::with_capacity(args.json.len() + namespace.len() + 24);
    if args.attachments.is_empty() {
        buf.push_str("2");
    } else {
        buf.push_str("5");
        buf.push_str(&args.attachments.len().to_string());
        buf.push_str("-");
    }
    if namespace != "/" {
        buf.push_str(namespace);
        buf.push_str(",");
    }
    if let Some(id) = id {
        buf.push_str(&id.to_string());
    }
    buf.push_str(&args.json);
    let mut frames = SmallVec::with_capacity(1 + args.attachments.len());
    frames.push(buf.take_frame()?);
    frames.extend(args.attachments.iter().cloned().map(SharedFrame::binary));
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> JsonArgs {
        JsonArgs::new(r#"["a",1]"#, vec![])
    }

    fn binary() -> JsonArgs {
        JsonArgs::new(r#"["a",{"_placeholder":true,"num":0}]"#, vec![Bytes::from_static(b"x")])
    }

    #[test]
    fn an_event_of_another_node_is_framed_as_our_own_would_be() {
        let packets = |namespace, id, args: JsonArgs| -> Vec<Vec<u8>> {
            let frames = frames_of_args(&Parser::default(), namespace, id, &args).unwrap();
            frames.iter().map(|frame| frame.packet().to_vec()).collect()
        };
        assert_eq!(packets("/", None, plain()), [br#"42["a",1]"#.to_vec()]);
        assert_eq!(packets("/chat", Some(7), plain()), [br#"42/chat,7["a",1]"#.to_vec()]);
        assert_eq!(
            packets("/chat", None, binary()),
            [br#"451-/chat,["a",{"_placeholder":true,"num":0}]"#.to_vec(), b"beA==".to_vec()]
        );
    }

    #[cfg(feature = "msgpack")]
    mod msgpack {
        use socketio_parser::{Limits, Packet};

        use super::*;

        fn parser() -> Parser {
            Parser::Msgpack(Limits::default())
        }

        fn bytes_of(frames: &[SharedFrame]) -> Bytes {
            match frames {
                [frame] if frame.is_binary() => Bytes::copy_from_slice(frame.websocket()[1]),
                _ => panic!("one binary frame"),
            }
        }

        #[test]
        fn an_event_of_another_node_gets_the_form_that_clients_speak() {
            let frames = frames_of_args(&parser(), "/chat", Some(7), &binary()).unwrap();
            assert_eq!(
                bytes_of(&frames),
                b"\x84\xa4type\x02\xa3nsp\xa5/chat\xa2id\x07\xa4data\x92\xa1a\xc4\x01x"[..]
            );
            let broken = JsonArgs::new("[", vec![]);
            assert!(frames_of_args(&parser(), "/", None, &broken).is_err());
        }

        #[test]
        fn an_event_goes_to_other_nodes_as_json() {
            let event = EventHeader::new("/ch[at", "a");
            let bytes = Bytes::from_static(b"x");
            let outgoing =
                outgoing(&parser(), &event, &Value::Binary(bytes), &BroadcastFlags::default()).unwrap();
            assert_eq!(outgoing.to_args(), binary());
            let frames = outgoing.frames(|_| Err::<Frames, _>("there are frames")).unwrap();
            assert_eq!(bytes_of(frames), b"\x83\xa4type\x02\xa3nsp\xa6/ch[at\xa4data\x92\xa1a\xc4\x01x"[..]);
        }

        fn answer(data: &[u8]) -> Args {
            let frame = [b"\x84\xa4type\x03\xa3nsp\xa1/\xa2id\x07\xa4data", data].concat();
            match parser().decoder().decode_binary(frame.into()).unwrap() {
                Some(Packet::Ack { args, .. }) => args,
                other => panic!("{other:?}"),
            }
        }

        #[test]
        fn an_answer_goes_to_other_nodes_as_json() {
            let expected =
                JsonArgs::new(r#"[1,{"_placeholder":true,"num":0}]"#, vec![Bytes::from_static(b"x")]);
            assert_eq!(ack_to_json(&answer(b"\x92\x01\xc4\x01x")).unwrap(), expected);
            assert_eq!(ack_to_json(&answer(b"\x90")).unwrap(), JsonArgs::new("[]", vec![]));
            assert!(ack_to_json(&answer(b"\x91\xd4\x05\x00")).is_err());
        }

        #[test]
        fn binary_values_are_found_wherever_they_stand() {
            let found = binary_values(&answer(b"\x92\xc4\x01a\x81\xa1k\x91\xc4\x01b")).unwrap();
            assert_eq!(found, [Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
        }
    }
}
