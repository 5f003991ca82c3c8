//! The small examples do what their readmes say.

use std::process::Command;

use interop_tests::run_script;
use test_support::process::{self, Server};
use test_support::wait::PATIENCE;

fn check(example: &str) {
    let server = Server::start(&mut Command::new(process::binary(example)));
    for transports in ["polling", "websocket", "upgrade"] {
        run_script("examples-client.mjs", &[example, &server.url(), transports]);
    }
}

#[test]
fn hyper_echo_returns_events() {
    check("hyper-echo");
}

#[test]
fn standalone_greets_and_answers() {
    check("standalone");
}

#[test]
fn cbor_parser_speaks_cbor() {
    check("cbor-parser");
}

#[track_caller]
fn inspects(payloads: &[&str], lines: &[&str]) {
    let said = process::run(Command::new(process::binary("packet-inspector")).args(payloads), PATIENCE);
    assert_eq!(said.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn packet_inspector_explains_a_polling_payload() {
    inspects(
        &["40{\"token\":\"x\"}\u{1e}42/chat,7[\"say\",\"hello\",{\"loud\":true}]\\x1e2"],
        &[
            "message: connect to namespace /",
            "  payload: {",
            "    \"token\": \"x\"",
            "  }",
            "message: event \"say\" in namespace /chat, answer wanted with ack id 7",
            "  argument 1: \"hello\"",
            "  argument 2: {",
            "    \"loud\": true",
            "  }",
            "ping: heartbeat",
        ],
    );
}

#[test]
fn packet_inspector_puts_attachments_in_their_place() {
    inspects(
        &[
            r#"462-/files,3[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#,
            "bAQID",
            "bBA==",
            r#"451-["photo",{"_placeholder":true,"num":0}]"#,
        ],
        &[
            "message: event or answer, 2 attachments to come",
            "message: attachment of 3 bytes, 1 attachment to come",
            "message: attachment of 1 byte, the last of",
            "  answer to ack id 3 in namespace /files, 2 attachments",
            "  argument 1: \"<binary, 1 byte>\"",
            "  argument 2: \"<binary, 3 bytes>\"",
            "message: event or answer, 1 attachment to come",
            "incomplete: 1 attachment of the last event never came",
        ],
    );
}

#[test]
fn packet_inspector_names_what_is_wrong() {
    inspects(
        &["9", "", r#"42["connect"]"#, "42[", "bAQID", "42[\"on\"]"],
        &[
            "no Engine.IO packet: unknown packet type '9'",
            "no Engine.IO packet: empty packet",
            "message: no Socket.IO packet: reserved event name",
            "message: no Socket.IO packet: malformed JSON at byte 2",
            "message: no Socket.IO packet: got binary data when not reconstructing a packet",
            "message: event \"on\" in namespace /",
        ],
    );
}
