//! The small examples do what their readmes say.

use std::process::Command;

use interop_tests::run_script;
use test_support::polling::Polling;
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

/// What `standalone` logs of a client that connects, joins twice and is closed for it.
async fn logged(debug: &str, rust_log: &str) -> String {
    let mut command = Command::new(process::binary("standalone"));
    let server = Server::start(command.env("DEBUG", debug).env("RUST_LOG", rust_log));
    let mut session = Polling::open(server.address(), "/socket.io/").await;
    session.send(&["40"]).await;
    session.poll().await;
    session.send(&["40"]).await;
    assert_eq!(session.poll().await, ["6", "1"]);
    server.stop()
}

#[tokio::test]
async fn standalone_logs_the_scopes_that_debug_names() {
    let one = logged("socket.io:client", "").await;
    assert!(!one.is_empty() && one.lines().all(|line| line.contains(" DEBUG socket.io:client: ")), "{one}");
    let all = logged("*,-*:client", "").await;
    assert!(all.contains(" DEBUG engine: ") && all.contains(" DEBUG engine:socket: "), "{all}");
    assert!(!all.contains("socket.io:client"), "{all}");
}

#[tokio::test]
async fn standalone_logs_the_levels_that_rust_log_names() {
    let engine = logged("", "engine=debug").await;
    assert!(engine.contains(" DEBUG engine: ") && !engine.contains("socket.io"), "{engine}");
    assert_eq!(logged("", "").await, "", "nothing went wrong on the server's side");
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
