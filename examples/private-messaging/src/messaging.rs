//! Who is who, who is online, and what they write to each other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use socketio_server::{
    Auth, Builder, ConfigError, ConnectError, Data, Namespace, NoEntropy, Recovery, Reply, Server, Socket,
    State, random_id,
};

/// All people there have been, by name.
#[derive(Default)]
struct People(Mutex<HashMap<String, Person>>);

struct Person {
    /// A secret: who shows it may use the name.
    token: String,
    /// Several tabs may be open.
    n_sockets: usize,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    token: Option<String>,
}

/// Whose socket it is; kept with the socket, also while it is gone.
struct Me(String);

#[derive(Serialize)]
struct Welcome {
    token: String,
    online: Vec<String>,
}

#[derive(Deserialize)]
struct Letter {
    to: String,
    text: String,
}

#[derive(Clone, Serialize)]
struct Message {
    from: String,
    to: String,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Ok(Message),
    Error(&'static str),
}

pub(crate) fn server(options: Builder) -> Result<Server, ConfigError> {
    let io = options.connection_state_recovery(Recovery::default()).state(People::default()).build()?;
    io.use_middleware(authenticate).on_connect(arrive).on_disconnect(leave).on("private", write);
    Ok(io)
}

/// The first who takes a name may use it, and whoever shows the token that the first one got.
async fn authenticate(
    socket: Socket,
    people: State<People>,
    Auth(Credentials { name, token }): Auth<Credentials>,
) -> Result<(), ConnectError> {
    if name.trim().is_empty() || name.len() > 32 {
        return Err("a name has 1 to 32 bytes".into());
    }
    match people.lock().get(&name) {
        Some(person) if token.as_ref() != Some(&person.token) => return Err("this name is taken".into()),
        _ => {}
    }
    // A socket that has come back knows it already.
    let me = socket.data().get_or_init(|| Me(name.clone()));
    if me.0 == name { Ok(()) } else { Err("a session has one name".into()) }
}

async fn arrive(socket: Socket, io: Namespace, people: State<People>) -> Result<(), NoEntropy> {
    let Some(me) = socket.data().get::<Me>() else { return Ok(()) };
    socket.join(room(&me.0));
    let token = random_id()?;
    let mut people = people.lock();
    let person = people.entry(me.0.clone()).or_insert(Person { token, n_sockets: 0 });
    person.n_sockets += 1;
    let (token, is_first) = (person.token.clone(), person.n_sockets == 1);
    let online = people.iter().filter(|(_, person)| person.n_sockets > 0).map(|(name, _)| name.clone());
    socket.emit("welcome", Welcome { token, online: online.collect() });
    if is_first {
        io.except(room(&me.0)).emit("online", &me.0);
    }
    Ok(())
}

async fn leave(socket: Socket, io: Namespace, people: State<People>) {
    let Some(me) = socket.data().get::<Me>() else { return };
    let mut people = people.lock();
    let Some(person) = people.get_mut(&me.0) else { return };
    person.n_sockets -= 1;
    if person.n_sockets == 0 {
        io.emit("offline", &me.0);
    }
}

/// Goes to all tabs of both. Whoever has just lost the connection gets it when it is back.
async fn write(
    socket: Socket,
    io: Namespace,
    people: State<People>,
    Data(Letter { to, text }): Data<Letter>,
) -> Reply<Answer> {
    let Some(me) = socket.data().get::<Me>() else { return Reply(Answer::Error("who are you?")) };
    if text.is_empty() || text.len() > 2_000 {
        return Reply(Answer::Error("a message has 1 to 2000 bytes"));
    }
    if !people.lock().contains_key(&to) {
        return Reply(Answer::Error("there is nobody of that name"));
    }
    let message = Message { from: me.0.clone(), to, text };
    io.to([room(&message.from), room(&message.to)]).emit("private", &message);
    Reply(Answer::Ok(message))
}

/// The room of all sockets of a person.
fn room(name: &str) -> String {
    format!("person {name}")
}

impl People {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Person>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
