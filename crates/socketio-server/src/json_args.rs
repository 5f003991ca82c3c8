//! Arguments as nodes pass them on: JSON, whatever the clients speak.

use engine_io_parser::{Message, Text};
use serde::Serialize;
use socketio_adapter::JsonArgs;
use socketio_parser::{
    Args, DecodeError, Decoder, EncodeError, EventHeader, Limits, Packet, encode_ack_into, encode_into,
};

/// An event between servers; its name is the first argument.
///
/// # Errors
///
/// As for an event to a client: a reserved name, or arguments that have no form in JSON.
pub(crate) fn of_event<T: Serialize + ?Sized>(name: &str, args: &T) -> Result<JsonArgs, EncodeError> {
    let mut text = Vec::new();
    let attachments = encode_into(&mut text, &EventHeader::new("/", name), args, &limits())?;
    Ok(behind_header(&text, attachments))
}

/// The answer to an event between servers.
///
/// # Errors
///
/// If the arguments have no form in JSON.
pub(crate) fn of_answer<T: Serialize + ?Sized>(args: &T) -> Result<JsonArgs, EncodeError> {
    let mut text = Vec::new();
    let attachments = encode_ack_into(&mut text, "/", 0, args, &limits())?;
    Ok(behind_header(&text, attachments))
}

/// Reads an event: its name and its arguments.
///
/// # Errors
///
/// What other nodes send is input: it is checked like what clients send.
pub(crate) fn read_event(event: &JsonArgs) -> Result<(Text, Args), DecodeError> {
    match decode('2', '5', "", event)? {
        Packet::Event { name, args, .. } => Ok((name, args)),
        _ => Err(DecodeError::InvalidPayload),
    }
}

/// Reads an answer.
///
/// # Errors
///
/// As [`read_event`].
pub(crate) fn read_answer(answer: &JsonArgs) -> Result<Args, DecodeError> {
    match decode('3', '6', "0", answer)? {
        Packet::Ack { args, .. } => Ok(args),
        _ => Err(DecodeError::InvalidPayload),
    }
}

/// Reads arguments as the payload of a packet of the default format.
fn decode(plain: char, binary: char, id: &str, args: &JsonArgs) -> Result<Packet, DecodeError> {
    let mut decoder = Decoder::new(limits());
    let text = match args.attachments.len() {
        0 => format!("{plain}{id}{}", args.json),
        n => format!("{binary}{n}-{id}{}", args.json),
    };
    let mut packet = decoder.decode_text(text.into())?;
    for bytes in &args.attachments {
        packet = decoder.decode(Message::Binary(bytes.clone()))?;
    }
    packet.ok_or(DecodeError::IllegalAttachments)
}

/// The arguments of a packet that was encoded in the root namespace: all from the first bracket on.
fn behind_header(text: &[u8], attachments: Vec<bytes::Bytes>) -> JsonArgs {
    let start = text.iter().position(|byte| *byte == b'[').unwrap_or_default();
    // It was encoded as UTF-8: nothing is replaced.
    let json = String::from_utf8_lossy(text.get(start..).unwrap_or_default());
    JsonArgs::new(&*json, attachments)
}

/// The number of attachments is bounded for the sake of clients, of which none is concerned here.
fn limits() -> Limits {
    Limits::default()
        .with_max_attachments_in(usize::MAX)
        .with_max_attachments_out(usize::MAX)
        .with_max_attachment_bytes_total(usize::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use socketio_parser::Binary;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let event = of_event("a", &(1, Binary(Bytes::from_static(b"x")))).unwrap();
        assert_eq!(&*event.json, r#"["a",1,{"_placeholder":true,"num":0}]"#);
        let (name, args) = read_event(&event).unwrap();
        assert_eq!(&*name, "a");
        assert_eq!(args.get::<(u8, Binary)>().unwrap(), (1, Binary(Bytes::from_static(b"x"))));
        assert_eq!(&*of_event("[", &()).unwrap().json, r#"["["]"#);

        let answer = of_answer(&("y", [1])).unwrap();
        assert_eq!(answer, JsonArgs::new(r#"["y",[1]]"#, vec![]));
        assert_eq!(read_answer(&answer).unwrap().get::<(String, [u8; 1])>().unwrap(), ("y".to_owned(), [1]));
        assert!(read_answer(&of_answer(&()).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn what_other_nodes_send_is_checked() {
        for json in ["", "[", "{}", "[]", r#"["connect"]"#, r#"[[1]]"#, r#"["a"]x"#, "7[\"a\"]x"] {
            assert!(read_event(&JsonArgs::new(json, vec![])).is_err(), "{json}");
        }
        let stray = JsonArgs::new(r#"["a",{"_placeholder":true,"num":1}]"#, vec![Bytes::new()]);
        assert!(read_event(&stray).is_err());
        for json in ["[", "{}", "1[]x"] {
            assert!(read_answer(&JsonArgs::new(json, vec![])).is_err(), "{json}");
        }
        assert!(of_event("disconnect", &()).is_err());
    }
}
