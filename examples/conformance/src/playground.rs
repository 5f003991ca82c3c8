//! A Socket.IO server with a handler for everything that the interop tests have the official client do.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socketio_server::{
    Args, Auth, Binary, Builder, ConfigError, ConnectError, Data, DisconnectReason, Emit, Handshake,
    Namespace, Reply, Server, Socket, State, Value,
};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Serves; the event `restart` ends the server, and another takes its place on the same port.
pub(crate) async fn serve(
    mut listener: TcpListener,
    options: impl Fn() -> Builder,
) -> Result<(), Box<dyn Error>> {
    let address = listener.local_addr()?;
    loop {
        let io = build(options())?;
        let restart = Arc::new(Notify::new());
        let requested = Arc::clone(&restart);
        io.on("restart", move || {
            requested.notify_one();
            async {}
        });
        tokio::select! {
            served = io.serve(listener) => return Ok(served?),
            () = restart.notified() => io.shutdown(Duration::from_secs(1)).await,
        }
        listener = TcpListener::bind(address).await?;
    }
}

fn build(options: Builder) -> Result<Server, ConfigError> {
    let io = options
        .ping_interval(Duration::from_secs(2))
        .ping_timeout(Duration::from_secs(2))
        .max_http_buffer_size(2_000_000)
        .state(Reasons::default())
        .build()?;
    messages(&io);
    recovery(&io);
    rooms(&io);
    lifecycle(&io);
    io.of("/slow").use_middleware(async || tokio::time::sleep(Duration::from_millis(100)).await);
    for name in ["/chat", "/news", "/slow"] {
        io.of(name)
            .on("echo", echo)
            .on("where", async |namespace: Namespace| Reply(namespace.name().to_owned()))
            .on("handshake", handshake);
    }
    io.of("/members")
        .use_middleware(authenticate)
        .on_connect(async |socket: Socket, Auth(auth): Auth<Value>| socket.emit("welcome", token(&auth)));
    Ok(io)
}

/// What a client that is gone for a while may miss.
fn recovery(io: &Server) {
    io.on("recovered", async |socket: Socket| Reply(socket.is_recovered()));
    io.on("say", async |io: Server, args: Args| {
        io.emit("said", args);
        Reply(())
    });
    io.on("say-volatile", async |io: Server, args: Args| {
        io.volatile().emit("said", args);
        Reply(())
    });
}

/// Events, acks, binary and volatile ones.
fn messages(io: &Server) {
    io.on("echo", echo)
        .on("message", async |socket: Socket, args: Args| socket.send(args))
        .on("false", async |socket: Socket| socket.emit("false", false))
        .on("send-binary", async |socket: Socket| {
            let nested = Value::Object(vec![
                ("bytes".into(), Value::Binary(vec![1, 2, 3].into())),
                ("list".into(), Value::Array(vec![Value::String("a".into()), Value::Binary(vec![4].into())])),
            ]);
            socket.emit("binary", (nested, Binary::default()))
        })
        .on("reply", async |args: Args| Reply(args))
        .on("reply-late", async |args: Args| {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Reply(args)
        })
        .on("count", async |args: Args| Reply(args.len()))
        .on("no-reply", async || {})
        .on("ask", async |socket: Socket, args: Args| {
            let answer = socket.emit_with_ack::<(Value, Value)>("question", args).await;
            let is_ok = answer.is_ok();
            let (first, second) = answer.unwrap_or_default();
            socket.emit("answered", (is_ok, first, second))
        })
        .on("ask-in-vain", async |socket: Socket| {
            let answer = socket.emit_with_ack::<()>("question-in-vain", ());
            let outcome = answer.timeout(Duration::from_millis(50)).await;
            socket.emit("unanswered", outcome.err().map(|error| error.to_string()))
        })
        .on("send-volatile", async |socket: Socket| socket.volatile().emit("volatile", ()))
        .on("send-volatile-when-busy", async |socket: Socket| {
            socket.emit("first", ());
            socket.volatile().emit("volatile", ());
            socket.emit("last", ());
        });
}

/// Rooms and broadcasts.
fn rooms(io: &Server) {
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room);
        Reply(())
    })
    .on("leave", async |socket: Socket, Data(room): Data<String>| {
        socket.leave(room);
        Reply(())
    })
    .on("rooms", async |socket: Socket| {
        let mut rooms: Vec<String> = socket.rooms().iter().map(ToString::to_string).collect();
        rooms.retain(|room| room != socket.id().as_str());
        rooms.sort();
        Reply(rooms)
    })
    .on("to-room", async |io: Server, Data((room, value)): Data<(String, Value)>| {
        io.to(room).emit("room", value)
    })
    .on("to-others-in-room", async |socket: Socket, Data((room, value)): Data<(String, Value)>| {
        socket.to(room).emit("room", value)
    })
    .on("to-all", async |io: Server, args: Args| io.emit("all", args))
    .on("to-all-with-ack", async |io: Server, args: Args| {
        io.emit("all", args);
        Reply(())
    })
    .on("to-others", async |socket: Socket, args: Args| socket.broadcast().emit("all", args));
}

/// How sockets come and go.
fn lifecycle(io: &Server) {
    io.on("handshake", handshake)
        .on("leave-me", async |socket: Socket| socket.disconnect())
        .on("close-me", async |socket: Socket| socket.client().close())
        .on("break-me", async |socket: Socket| socket.conn().close(DisconnectReason::ForcedClose))
        .on("reason-of", async |State(reasons): State<Reasons>, Data(id): Data<String>| {
            Reply(reasons.of(&id).map(DisconnectReason::as_str))
        })
        .on_connect(async |socket: Socket, State(reasons): State<Reasons>| {
            reasons.forget(socket.id().as_str());
        })
        .on_disconnect(async |socket: Socket, reason: DisconnectReason, State(reasons): State<Reasons>| {
            reasons.add(socket.id().as_str(), reason);
        });
}

async fn echo(socket: Socket, args: Args) -> Emit {
    socket.emit("echo", args)
}

async fn handshake(
    handshake: Handshake,
    Data(key): Data<String>,
    Auth(auth): Auth<Value>,
) -> Reply<(Option<String>, Value)> {
    Reply((handshake.query(&key), auth))
}

async fn authenticate(Auth(auth): Auth<Value>) -> Result<(), ConnectError> {
    if token(&auth) == Some("secret") {
        return Ok(());
    }
    let data = serde_json::json!({ "retry": false, "hint": ["token"] });
    Err(ConnectError::new("not authorized").with_data(data))
}

fn token(auth: &Value) -> Option<&str> {
    let Value::Object(members) = auth else { return None };
    members.iter().find_map(|(key, value)| match value {
        Value::String(token) if key == "token" => Some(token.as_str()),
        _ => None,
    })
}

/// Why the sockets that have left did so.
#[derive(Default)]
struct Reasons(Mutex<HashMap<String, DisconnectReason>>);

impl Reasons {
    fn add(&self, id: &str, reason: DisconnectReason) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), reason);
    }

    /// A client that comes back has the id that it had.
    fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn of(&self, id: &str) -> Option<DisconnectReason> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }
}
