//! Binary values.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketio_server::handler::Attachments;
use socketio_server::{Binary, Data, DisconnectReason, EmitError, Reply, Socket};
use support::{Notes, Peer, server, settle};

const TWO: &str = r#"["e",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]"#;

#[tokio::test(start_paused = true)]
async fn binary_values_are_bound_by_number_wherever_they_stand() {
    let io = server();
    io.on("e", async |Data((first, [second])): Data<(Binary, [Binary; 1])>| Reply((second, first, "done")));
    let mut peer = Peer::join(&io);
    peer.send(&format!("52-7{TWO}"));
    peer.send_binary(b"zero");
    assert_eq!(peer.take(), Vec::<String>::new());
    peer.send_binary(b"one");
    assert_eq!(
        peer.take(),
        [
            r#"62-7[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},"done"]"#,
            r#"b:b"zero""#,
            r#"b:b"one""#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn attachments_can_be_taken_as_they_came() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move |Attachments(all): Attachments| {
        noted.add(format!("{all:?}"));
        async {}
    });
    let mut peer = Peer::join(&io);
    peer.send(&format!("52-{TWO}"));
    peer.send_binary(b"zero");
    peer.send_binary(b"one");
    assert_eq!(notes.take(), [r#"[b"zero", b"one"]"#]);
}

#[tokio::test(start_paused = true)]
async fn emits_carry_binary_values_and_stay_whole() {
    #[derive(Serialize)]
    struct Image {
        name: &'static str,
        data: Binary,
    }
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let data = Binary(Bytes::from_static(b"png"));
    socket.emit("image", Image { name: "x", data: data.clone() });
    io.emit("image", (1, data));
    assert_eq!(
        peer.take(),
        [
            r#"51-["image",{"name":"x","data":{"_placeholder":true,"num":0}}]"#,
            r#"b:b"png""#,
            r#"51-["image",1,{"_placeholder":true,"num":0}]"#,
            r#"b:b"png""#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn binary_values_are_broadcast_like_all_others() {
    let io = server();
    let _ = io.of("/chat");
    let mut peers: [Peer; 3] = std::array::from_fn(|_| Peer::open(&io));
    let [sender, member, _] =
        peers.each_mut().map(|peer| io.socket(&peer.enter("/")).expect("it has joined"));
    let mut elsewhere = Peer::open(&io);
    elsewhere.enter("/chat");
    member.join("room");
    sender.join("room");
    let mut check = |got: [bool; 3]| {
        let event: &[&str] = &[r#"51-["e",{"_placeholder":true,"num":0}]"#, r#"b:b"x""#];
        for (peer, got) in peers.iter_mut().zip(got) {
            assert_eq!(peer.take(), if got { event } else { &[] });
        }
        assert_eq!(elsewhere.take(), [""; 0]);
    };
    let data = Binary(Bytes::from_static(b"x"));
    io.emit("e", &data);
    check([true, true, true]);
    sender.broadcast().emit("e", &data);
    check([false, true, true]);
    sender.to("room").emit("e", &data);
    check([false, true, false]);
    io.within("room").except(member.id()).emit("e", &data);
    check([true, false, false]);
    io.volatile().emit("e", &data);
    check([true, true, true]);
}

/// Its bytes must not be left behind when the rest is dropped.
#[tokio::test(start_paused = true)]
async fn a_volatile_binary_event_is_dropped_as_a_whole() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    peer.connection.is_busy.store(true, Ordering::Relaxed);
    io.volatile().emit("e", Binary(Bytes::from_static(b"x")));
    socket.volatile().emit("e", Binary(Bytes::from_static(b"x")));
    assert_eq!(peer.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn answers_carry_binary_values_both_ways() {
    #[derive(Deserialize)]
    struct Part {
        bytes: Option<Binary>,
    }
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let answer = socket.emit_with_ack::<Part>("e", Binary(Bytes::from_static(b"q")));
    assert_eq!(peer.take(), [r#"51-0["e",{"_placeholder":true,"num":0}]"#, r#"b:b"q""#]);
    peer.send(r#"61-0[{"bytes":{"_placeholder":true,"num":0}}]"#);
    peer.send_binary(b"a");
    assert_eq!(answer.await.unwrap().bytes.as_deref(), Some(&b"a"[..]));
}

#[tokio::test(start_paused = true)]
async fn ten_attachments_can_be_sent_and_eleven_are_an_error() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let parts = |n: usize| vec![Binary(Bytes::from_static(b"x")); n];
    socket.emit("e", (parts(10),)).await.unwrap();
    assert_eq!(peer.take().len(), 11);
    let error = socket.emit("e", (parts(11),)).await.unwrap_err();
    assert!(matches!(error, EmitError::Encode(_)));
    assert!(io.emit("e", (parts(11),)).await.is_err());
    assert_eq!(peer.take(), Vec::<String>::new());
}

/// The official decoder takes such a packet and then breaks on the next one.
#[tokio::test(start_paused = true)]
async fn a_binary_packet_without_attachments_is_refused_at_once() {
    let io = server();
    let mut peer = Peer::join(&io);
    peer.send(r#"50-["e"]"#);
    assert!(peer.notice_close().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_binary_event_that_completes_after_the_socket_left_is_not_delivered() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move || {
        noted.add("delivered");
        async {}
    });
    let mut peer = Peer::join(&io);
    let socket: Socket = io.sockets().remove(0);
    peer.send(&format!("52-{TWO}"));
    peer.send_binary(b"zero");
    socket.disconnect();
    peer.send_binary(b"one");
    settle().await;
    assert_eq!(notes.take(), Vec::<String>::new());
    // The clock of its attachments has stopped, and the connection is in order.
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(peer.notice_close(), None);
    peer.take();
    peer.enter("/");
}

#[tokio::test(start_paused = true)]
async fn each_packet_has_the_whole_time_for_its_attachments() {
    let io = server();
    let mut peer = Peer::join(&io);
    for _ in 0..5 {
        peer.send(&format!("52-{TWO}"));
        tokio::time::sleep(Duration::from_secs(20)).await;
        peer.send_binary(b"zero");
        peer.send_binary(b"one");
    }
    assert_eq!(peer.notice_close(), None);
    peer.send(&format!("52-{TWO}"));
    tokio::time::sleep(Duration::from_millis(29_990)).await;
    assert_eq!(peer.notice_close(), None, "the time of those before does not count");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}
