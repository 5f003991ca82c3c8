//! Whose events a client gets that comes back: those of the rooms it was in when they were sent.

mod support;

use socketio_server::{Binary, Recovery, RoomLimits, Server, Socket};
use support::build;
use support::visitor::Visitor;

fn recovering() -> Server {
    build(Server::builder().connection_state_recovery(Recovery::default()))
}

fn events<const N: usize>(names: [&str; N]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| format!(r#"["{name}"]"#)).collect())
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_it_joined_is_not_missed() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    io.to("room").emit("not for it yet", ());
    client.socket(&io).join("room");
    io.to("room").emit("lost on its way", ());
    client.lose();
    io.to("room").emit("missed", ());
    assert_eq!(client.come_back(&io), events(["lost on its way", "missed"]));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_it_left_is_missed() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    let socket = client.socket(&io);
    socket.join(["room", "other"]);
    io.to("room").emit("lost on its way", ());
    io.except("other").emit("not for it", ());
    socket.leave(["room", "other"]);
    io.to("room").emit("not for it any more", ());
    io.except("other").emit("for it again", ());
    client.lose();
    assert_eq!(client.come_back(&io), events(["lost on its way", "for it again"]));
}

/// It gets each event of the times in which it was in the room, and joining a room that it is in already changes nothing.
#[tokio::test(start_paused = true)]
async fn a_room_may_be_joined_and_left_again_and_again() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    let socket = client.socket(&io);
    for _ in 0..2 {
        io.to("room").emit("outside", ());
        socket.join("room");
        io.to("room").emit("inside", ());
        socket.join("room");
        io.to("room").emit("still inside", ());
        io.to(client.sid.as_str()).sockets_leave("room");
    }
    io.to("room").emit("outside", ());
    assert_eq!(client.come_back(&io), events(["inside", "still inside", "inside", "still inside"]));
}

#[tokio::test(start_paused = true)]
async fn it_is_known_over_several_comebacks() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    io.to("room").emit("before", ());
    client.socket(&io).join("room");
    io.to("room").emit("first", ());
    client.lose();
    drop(client.claim(&io));
    // All of that is lost as well.
    client.peer.take();
    io.to("room").emit("second", ());
    client.socket(&io).leave("room");
    io.to("room").emit("after", ());
    client.lose();
    assert_eq!(client.come_back(&io), events(["first", "second"]));
}

/// The server keeps as many changes as a socket may have rooms. Of what was before, nobody knows for whom it was.
#[tokio::test(start_paused = true)]
async fn a_client_begins_anew_if_it_is_not_known_any_more_in_which_rooms_it_was() {
    for (n, recovers) in [(10, true), (11, false)] {
        let mut rooms = RoomLimits::default();
        rooms.max_rooms_per_socket = 10;
        let recovery = Recovery::default();
        let io = build(Server::builder().connection_state_recovery(recovery).room_limits(rooms));
        let mut client = Visitor::join(&io);
        let socket = client.socket(&io);
        io.emit("got", ());
        for n in 0..n {
            if n % 2 == 0 {
                socket.join("room")
            } else {
                socket.leave("room")
            };
        }
        client.lose();
        assert_eq!(client.come_back(&io), if recovers { events(["got"]) } else { None }, "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_its_own_room_gets_what_is_sent_to_it_alone() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    let socket = client.socket(&io);
    socket.leave(client.sid.as_str());
    socket.emit("direct", ()).await.unwrap();
    io.to(client.sid.as_str()).emit("to a room that it is not in", ());
    assert_eq!(client.events(), [r#"["direct"]"#]);
    assert!(io.socket(&client.sid).is_some(), "it is found by its id");
    for fetched in io.fetch_sockets().await {
        fetched.emit("as fetched", ()).await.unwrap();
    }
    assert_eq!(client.events(), [r#"["as fetched"]"#]);
    client.lose();
    socket.emit("missed", ()).await.unwrap();
    io.to(client.sid.as_str()).emit("to a room that it was not in", ());
    assert_eq!(client.come_back(&io), events(["missed"]));
}

/// Others may be let into a socket's own room. What is sent to the socket is not for them.
#[tokio::test(start_paused = true)]
async fn what_is_sent_to_one_client_is_for_nobody_else_in_its_room() {
    let mut rooms = RoomLimits::default();
    rooms.private_own_rooms = false;
    let recovery = Recovery::default();
    let io = build(Server::builder().connection_state_recovery(recovery).room_limits(rooms));
    let (mut one, mut other) = (Visitor::join(&io), Visitor::join(&io));
    other.socket(&io).join(one.sid.as_str());
    let socket = one.socket(&io);
    socket.emit("direct", Binary::from(vec![1])).await.unwrap();
    assert_eq!((one.peer.take().len(), other.peer.take().len()), (2, 0));
    other.lose();
    socket.emit("missed", ()).await.unwrap();
    assert_eq!(other.come_back(&io), events([]));
}

/// What was the socket before stands for its client still, wherever that is.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_back_is_reached_by_the_socket_that_it_was() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    let before = client.socket(&io);
    client.lose();
    client.come_back(&io).expect("it is known");
    before.emit("direct", ()).await.unwrap();
    assert_eq!(client.events(), [r#"["direct"]"#]);
    client.peer.send("1");
    assert!(before.emit("too late", ()).await.is_err());
}

/// Middleware runs again, and may let the socket join and leave rooms then.
#[tokio::test(start_paused = true)]
async fn what_middleware_does_to_rooms_counts_from_the_comeback_on() {
    let io = recovering();
    let mut client = Visitor::join(&io);
    client.socket(&io).join("old");
    io.use_middleware(async |socket: Socket| {
        socket.join("new");
        socket.leave("old");
    });
    io.to("old").emit("first", ());
    io.to("new").emit("not for it yet", ());
    drop(client.claim(&io));
    // All of that is lost as well.
    client.peer.take();
    io.to("old").emit("not for it any more", ());
    io.to("new").emit("second", ());
    assert_eq!(client.come_back(&io), events(["first", "second"]));
}

/// `socket.broadcast()` leaves the socket out by its own room.
#[tokio::test(start_paused = true)]
async fn a_socket_that_has_left_its_own_room_does_not_get_what_it_sends_to_others() {
    let io = recovering();
    let (mut one, mut other) = (Visitor::join(&io), Visitor::join(&io));
    let socket = one.socket(&io);
    socket.leave(one.sid.as_str());
    socket.broadcast().emit("live", ());
    assert_eq!((one.events().len(), other.events().len()), (0, 1));
    one.lose();
    other.lose();
    socket.broadcast().emit("missed", ());
    assert_eq!((one.come_back(&io), other.come_back(&io)), (events([]), events(["missed"])));
}
