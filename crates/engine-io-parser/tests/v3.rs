//! Protocol revision 3: bytes that clients before Socket.IO 3 send and expect.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

use bytes::Bytes;
use engine_io_parser::v3::{
    BinaryPayloadDecoder, PayloadDecoder, PayloadEncoder, PayloadForm, decode_binary, decode_text,
};
use engine_io_parser::{DecodeError, EncodeError, Limits, MessageRef, PacketRef, SharedFrame};

fn limits() -> Limits {
    Limits::default()
}

/// The packets of a payload as the text packets that they would be, binary ones as `=` and their bytes; and the error.
fn read<'a>(
    packets: impl Iterator<Item = Result<PacketRef<'a>, DecodeError>>,
) -> (Vec<String>, Option<String>) {
    let (mut read, mut error) = (Vec::new(), None);
    for packet in packets {
        assert_eq!(error, None, "it ends after an error");
        match packet {
            Ok(PacketRef::Message(MessageRef::Binary(bytes))) => read.push(format!("={bytes:?}")),
            Ok(PacketRef::Message(MessageRef::Base64(base64))) => {
                read.push(format!("={:?}", &base64.decode().unwrap()[..]));
            }
            Ok(packet) => {
                let mut text = Vec::new();
                packet.encode_into(&mut text);
                read.push(String::from_utf8(text).unwrap());
            }
            Err(refused) => error = Some(refused.to_string()),
        }
    }
    (read, error)
}

fn good(packets: &[&str]) -> (Vec<String>, Option<String>) {
    (packets.iter().map(ToString::to_string).collect(), None)
}

fn bad(packets: &[&str], error: &str) -> (Vec<String>, Option<String>) {
    (good(packets).0, Some(error.to_owned()))
}

const LENGTH: &str = "invalid length of a packet in a payload";

#[test]
fn text_payloads() {
    for (payload, expected) in [
        ("6:4hello", good(&["4hello"])),
        ("1:1", good(&["1"])),
        ("1:26:4hello12:4hello world", good(&["2", "4hello", "4hello world"])),
        ("10:b4AQIDBA==", good(&["=[1, 2, 3, 4]"])),
        // A length counts as JavaScript does: an euro sign is one unit, a flag four.
        ("2:4€4:4aé€", good(&["4€", "4aé€"])),
        ("5:4🇩🇪1:6", good(&["4🇩🇪", "6"])),
        ("0:", good(&[])),
        ("0:1:60:", good(&["6"])),
        ("007:4leader", good(&["4leader"])),
        // Colons and digits within a packet are its own.
        ("7:42:4:::", good(&["42:4:::"])),
        ("", bad(&[], "empty packet")),
        ("4hello", bad(&[], LENGTH)),
        (":4hello", bad(&[], LENGTH)),
        ("-1:4", bad(&[], LENGTH)),
        ("1e1:4hello", bad(&[], LENGTH)),
        (" 6:4hello", bad(&[], LENGTH)),
        ("6:4hell", bad(&[], LENGTH)),
        ("6:4hello1", bad(&["4hello"], LENGTH)),
        ("6:4hello1:", bad(&["4hello"], LENGTH)),
        ("1:61:x1:6", bad(&["6"], "unknown packet type 'x'")),
        ("99999999999999999999:4", bad(&[], LENGTH)),
        ("9999999999999999:4", bad(&[], LENGTH)),
        // A flag's half.
        ("2:4🇩🇪", bad(&[], LENGTH)),
        ("3:b2A", bad(&[], "unknown packet type '2'")),
        ("1:b", bad(&[], "empty packet")),
    ] {
        assert_eq!(read(PayloadDecoder::new(payload, &limits())), expected, "{payload}");
    }
}

#[test]
fn binary_payloads() {
    for (payload, expected) in [
        (&b"\0\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04"[..], good(&["4hello", "=[1, 2, 3, 4]"])),
        (b"\0\x01\x02\xff4hello world", good(&["4hello world"])),
        // Here a length counts bytes.
        (b"\0\x04\xff4\xe2\x82\xac", good(&["4\u{20ac}"])),
        (b"\0\0\xff", good(&[])),
        (b"\0\x0b\xffb4AQIDBA==x", bad(&[], LENGTH)),
        (b"\0\x0a\xffb4AQIDBA==", bad(&[], LENGTH)),
        (b"\0\x01\x00\xffb4AQIDBA==", good(&["=[1, 2, 3, 4]"])),
        (b"\x01\x01\xff\x04", good(&["=[]"])),
        (b"", bad(&[], "empty packet")),
        (b"\0", bad(&[], LENGTH)),
        (b"\0\xff4", bad(&[], LENGTH)),
        (b"\x02\x02\xff4a", bad(&[], LENGTH)),
        (b"\0\x02\xff4", bad(&[], LENGTH)),
        (b"\x01\x02\xff\x02a", bad(&[], "unknown packet type '\\u{2}'")),
        (b"\0\x02\xff4\xff", bad(&[], "a text packet is not UTF-8")),
        (
            b"\0\x01\xff6\0\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff",
            bad(&["6"], LENGTH),
        ),
    ] {
        assert_eq!(read(BinaryPayloadDecoder::new(payload, &limits())), expected, "{payload:?}");
    }
}

#[test]
fn frames() {
    assert_eq!(decode_text("2probe", &limits()), Ok(PacketRef::Ping("probe")));
    assert_eq!(decode_text("b4AQ==", &limits()).unwrap().packet_type().to_ascii(), b'4');
    assert_eq!(decode_binary(&[4, 1, 2], &limits()), Ok(PacketRef::Message(MessageRef::Binary(&[1, 2]))));
    assert_eq!(decode_binary(&[], &limits()), Err(DecodeError::EmptyPacket));
    assert_eq!(decode_binary(&[52, 1], &limits()), Err(DecodeError::UnknownType { found: '4' }));
    let small = limits().with_max_payload_bytes(3);
    assert_eq!(decode_text("4abc", &small), Err(DecodeError::TooLarge { size: 4, max: 3 }));
    assert_eq!(decode_binary(&[4; 4], &small), Err(DecodeError::TooLarge { size: 4, max: 3 }));
}

#[test]
fn a_payload_at_the_limit_is_read_and_one_past_it_is_not() {
    let at = limits().with_max_payload_bytes(8);
    assert_eq!(read(PayloadDecoder::new("6:4hello", &at)), good(&["4hello"]));
    assert_eq!(read(PayloadDecoder::new("6:4hello1:6", &at)).0, Vec::<String>::new());
    assert_eq!(read(BinaryPayloadDecoder::new(b"\0\x05\xff4hell", &at)), good(&["4hell"]));
    assert_eq!(
        read(BinaryPayloadDecoder::new(b"\0\x06\xff4hello", &at)),
        bad(&[], "9 bytes exceed the limit of 8")
    );
}

#[test]
fn payloads_are_written_as_clients_expect_them() {
    let packets = [SharedFrame::text("hello €🇩🇪"), SharedFrame::binary(Bytes::from_static(&[1, 2, 3, 4]))];
    for (form, expected) in [
        (PayloadForm::Text, "1:312:4hello €🇩🇪10:b4AQIDBA==".as_bytes().to_vec()),
        (
            PayloadForm::Binary,
            [b"\0\x01\xff3\0\x01\x08\xff4hello ", "€🇩🇪".as_bytes(), b"\x01\x05\xff\x04\x01\x02\x03\x04"]
                .concat(),
        ),
    ] {
        let mut payload = PayloadEncoder::new(Vec::new(), 100, form);
        assert!(payload.is_empty());
        payload.push(&PacketRef::Pong("")).unwrap();
        for frame in &packets {
            payload.push_frame(frame).unwrap();
        }
        assert_eq!(payload.len(), expected.len(), "{form:?}");
        assert_eq!(payload.into_inner(), expected, "{form:?}");
    }
}

#[test]
fn what_does_not_fit_belongs_into_the_next_payload() {
    for (form, max) in [(PayloadForm::Text, 11), (PayloadForm::Binary, 13)] {
        let hello = SharedFrame::text("hello");
        let mut payload = PayloadEncoder::new(Vec::new(), max, form);
        payload.push_frame(&hello).unwrap();
        payload.push(&PacketRef::Noop).unwrap();
        assert_eq!(payload.len(), max);
        assert!(matches!(payload.push_frame(&hello), Err(EncodeError::PayloadFull { .. })));
        let mut long = PayloadEncoder::new(Vec::new(), 3, form);
        assert_eq!(long.push_frame(&hello), Ok(()), "the first is taken whatever its length");
    }
}

#[test]
fn what_is_written_can_be_read() {
    let texts = ["", "a", "é", "€", "😀", "a😀€é\u{1e}:4\u{0}", &"x€".repeat(5000)];
    for form in [PayloadForm::Text, PayloadForm::Binary] {
        let mut payload = PayloadEncoder::new(Vec::new(), usize::MAX, form);
        let mut expected = Vec::new();
        for text in texts {
            payload.push(&PacketRef::Message(MessageRef::Text(text))).unwrap();
            payload.push(&PacketRef::Message(MessageRef::Binary(text.as_bytes()))).unwrap();
            expected.extend([format!("4{text}"), format!("={:?}", text.as_bytes())]);
        }
        let payload = payload.into_inner();
        let packets = match form {
            PayloadForm::Text => read(PayloadDecoder::new(std::str::from_utf8(&payload).unwrap(), &limits())),
            PayloadForm::Binary => read(BinaryPayloadDecoder::new(&payload, &limits())),
        };
        assert_eq!(packets, (expected, None));
    }
}
