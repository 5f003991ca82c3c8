//! The handlers, and what they share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use socketio_server::{Ack, Data, Namespace, Reply, Server, Socket, State};

use crate::protocol::{Join, Joined, Member, Message, ROOMS, Room, check_name, check_room, check_text};

/// Who is in which room, by socket id; the chat keeps nothing else.
#[derive(Default)]
pub(crate) struct Online(Mutex<HashMap<String, Member>>);

pub(crate) fn register(io: &Server) {
    io.on_connect(connected);
    io.on("join", join);
    io.on("message", message);
    io.on("typing", typing);
    io.on_disconnect(disconnected);
}

async fn connected(socket: Socket, online: State<Online>) {
    socket.emit("rooms", count(&online.lock()));
}

/// Enters a room, or changes it. A client that lost its connection joins again under its new id.
async fn join(socket: Socket, online: State<Online>, Data(wish): Data<Join>, ack: Ack) {
    let (name, room) = match wish.check() {
        Ok(checked) => checked,
        Err(problem) => {
            ack.send(Err::<(), _>(problem));
            return;
        }
    };
    // What is emitted is in the outboxes when the call returns. Under one lock, then, all clients hear of comings and
    // goings in the order in which they happen here.
    let mut online = online.lock();
    // Nobody would remove a client that has left by now.
    if !socket.is_connected() {
        return;
    }
    if let Some(before) = online.remove(socket.id().as_str()) {
        socket.leave(before.room);
        socket.to(before.room).emit("left", before);
    }
    let me = Member { id: socket.id().to_string(), name, room };
    socket.join(room);
    socket.to(room).emit("joined", &me);
    online.insert(me.id.clone(), me);

    let members = online.values().filter(|member| member.room == room).collect();
    ack.send(Ok::<_, String>(Joined { room, members }));
    socket.namespace().emit("rooms", count(&online));
}

/// Passes a message on to everybody in the room, its sender included; the ack says what is wrong with it.
async fn message(
    socket: Socket,
    io: Namespace,
    online: State<Online>,
    Data(text): Data<String>,
) -> Reply<Result<(), String>> {
    let Some(from) = online.lock().get(socket.id().as_str()).cloned() else {
        return Reply(Err("Join a room first.".to_owned()));
    };
    let sent = check_text(&text).map(|text| {
        io.to(from.room).emit("message", Message { from: &from, text, at: now() });
    });
    Reply(sent)
}

/// Nobody misses a hint that is out of date: who can't take it at once does not get it.
async fn typing(socket: Socket, online: State<Online>) {
    if let Some(me) = online.lock().get(socket.id().as_str()) {
        socket.to(me.room).volatile().emit("typing", me);
    }
}

async fn disconnected(socket: Socket, io: Namespace, online: State<Online>) {
    let mut online = online.lock();
    if let Some(member) = online.remove(socket.id().as_str()) {
        io.to(member.room).emit("left", member);
        io.emit("rooms", count(&online));
    }
}

impl Online {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Join {
    fn check(&self) -> Result<(String, &'static str), String> {
        Ok((check_name(&self.name)?.to_owned(), check_room(&self.room)?))
    }
}

fn count(online: &HashMap<String, Member>) -> Vec<Room> {
    let count = |name| online.values().filter(|member| member.room == name).count();
    ROOMS.map(|name| Room { name, online: count(name) }).into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
