//! What a namespace shows of its rooms.

mod support;

use socketio_adapter::ServerCount;
use socketio_server::adapter::{RoomEvent, RoomEvents};
use socketio_server::{Namespace, Room, Socket, SocketId};
use support::{Peer, server};

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

fn rooms(names: &[&str]) -> Vec<Room> {
    sorted(names.iter().map(|&name| name.into()).collect())
}

#[tokio::test(start_paused = true)]
async fn rooms_and_sockets_know_each_other() {
    let io = server();
    let view = io.adapter();
    assert_eq!(view.rooms(), Vec::<Room>::new());
    let mut peer = Peer::open(&io);
    let id = peer.enter("/");
    let _other = Peer::join(&io);
    let socket = io.socket(&id).unwrap();
    socket.join(["1", "2"]);
    assert_eq!(view.rooms().len(), 4);
    assert!(view.has_room("1") && view.has_room(&id) && !view.has_room("3"));
    assert_eq!(view.sids("1"), [SocketId::from(&id)]);
    assert_eq!(view.sids("3"), Vec::<SocketId>::new());
    assert_eq!(view.socket_rooms(&id).map(sorted), Some(rooms(&[&id, "1", "2"])));
    assert_eq!(view.socket_rooms("nobody"), None);
    assert_eq!(view.socket_rooms("1"), None, "a room is no socket");
    socket.leave("1");
    assert!(!view.has_room("1"), "a room without sockets is gone");
    peer.send("1");
    assert_eq!(view.rooms().len(), 1);
    assert_eq!(view.socket_rooms(&id), None);
    assert_eq!(view.server_count(), ServerCount::Known(1));
    assert!(view.status().current().is_up());
}

/// Takes what has happened by now; nothing more may come.
async fn take<const N: usize>(events: &mut RoomEvents) -> [RoomEvent; N] {
    let mut taken = Vec::new();
    while let Ok(next) = tokio::time::timeout(std::time::Duration::from_millis(1), events.next()).await {
        taken.push(next.expect("the namespace lives").expect("nothing is missed"));
    }
    taken.try_into().expect("as many events as expected")
}

fn created(room: &str) -> RoomEvent {
    RoomEvent::Created { room: room.into() }
}

fn joined(room: &str, socket: &Socket) -> RoomEvent {
    RoomEvent::Joined { room: room.into(), socket: socket.id().clone() }
}

fn left(room: &str, socket: &Socket) -> RoomEvent {
    RoomEvent::Left { room: room.into(), socket: socket.id().clone() }
}

fn deleted(room: &str) -> RoomEvent {
    RoomEvent::Deleted { room: room.into() }
}

#[tokio::test(start_paused = true)]
async fn the_first_and_the_last_socket_open_and_close_a_room() {
    let io = server();
    let _peers = [Peer::join(&io), Peer::join(&io)];
    let [a, b] = <[Socket; 2]>::try_from(io.sockets()).unwrap();
    let mut events = io.adapter().events();
    a.join("r");
    a.join("r");
    assert_eq!(take(&mut events).await, [created("r"), joined("r", &a)], "joined twice, told once");
    b.join("r");
    assert_eq!(take(&mut events).await, [joined("r", &b)], "it is there already");
    a.leave("r");
    a.leave("r");
    a.leave("never joined");
    assert_eq!(take(&mut events).await, [left("r", &a)], "another one is still in it");
    b.leave("r");
    assert_eq!(take(&mut events).await, [left("r", &b), deleted("r")]);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_and_goes_is_told_of_with_all_rooms() {
    let io = server();
    let mut events = io.adapter().events();
    let mut peer = Peer::join(&io);
    let a = io.sockets().remove(0);
    let own = a.id().as_str();
    assert_eq!(take(&mut events).await, [created(own), joined(own, &a)]);
    a.join("r");
    let [_, _] = take(&mut events).await;
    peer.send("1");
    let told: [RoomEvent; 4] = take(&mut events).await;
    for event in [left(own, &a), deleted(own), left("r", &a), deleted("r")] {
        assert!(told.contains(&event), "{event:?} in {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_hears_of_a_room_may_change_it() {
    let io = server();
    let _peer = Peer::join(&io);
    let a = io.sockets().remove(0);
    a.join("r");
    let mut events = io.adapter().events();
    let leaver = a.clone();
    let reader = tokio::spawn(async move {
        while let Some(Ok(RoomEvent::Left { .. })) = events.next().await {
            leaver.leave("r");
        }
    });
    a.leave("r");
    reader.await.unwrap();
    assert!(!io.adapter().has_room("r"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_how_much_it_has_missed() {
    let io = server();
    let _peer = Peer::join(&io);
    let a = io.sockets().remove(0);
    let mut events = io.adapter().events();
    for _ in 0..256 {
        a.join("r");
        a.leave("r");
    }
    let first = events.next().await.unwrap();
    assert_eq!(first, Ok(created("r")), "1 024 events are kept");
    a.join("s");
    a.join("t");
    let missed = events.next().await.unwrap().unwrap_err();
    assert_eq!(missed.n_missed, 3);
    assert_eq!(events.next().await.unwrap(), Ok(created("r")), "it goes on behind them");
}

#[tokio::test(start_paused = true)]
async fn events_end_with_the_namespace() {
    let io = server();
    let mut events = io.adapter().events();
    drop(io);
    assert_eq!(events.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_parent_namespace_shows_the_rooms_of_its_children() {
    let io = server();
    let parent = io.of_pattern("/orders/{id}");
    parent.on_connect(async |socket: Socket, namespace: Namespace| {
        drop(socket.join(["all", namespace.param("id").unwrap()]));
    });
    let (mut first, mut second) = (Peer::open(&io), Peer::open(&io));
    let ids = [first.enter("/orders/1"), second.enter("/orders/2")];
    let view = parent.adapter();
    let mut rooms: Vec<_> = view.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    let mut expected = vec!["1", "2", "all", &ids[0], &ids[1]];
    expected.sort_unstable();
    assert_eq!(rooms, expected);
    assert!(view.has_room("2") && !view.has_room("3"));
    let mut in_all: Vec<_> = view.sids("all").iter().map(ToString::to_string).collect();
    in_all.sort();
    let mut expected = ids.to_vec();
    expected.sort_unstable();
    assert_eq!(in_all, expected);
    assert_eq!(view.socket_rooms(&ids[1]).unwrap().len(), 3);
    assert_eq!(view.socket_rooms("nobody"), None);
}
