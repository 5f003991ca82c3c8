//! A cluster whose engine is a set of bounded channels: what an author of an adapter writes, on public API only.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use socketio_adapter::{
    AckError, AckStream, Adapter, AdapterError, AdapterErrorKind, AdapterFactory, BroadcastOptions,
    ClientAck, DEFAULT_REQUEST_TIMEOUT, Disconnect, Fetched, FetchedIds, Gap, JsonArgs, LinkReporter,
    LinkState, LinkStatus, LocalNode, Missing, NodeId, Outgoing, Receipt, ReceiptSender, Replies, Reply,
    ReplySender, Room, ServerCount, SocketId, SocketSnapshot,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The engine: it carries messages from every node to every other one.
#[derive(Default)]
pub(crate) struct Bus {
    inboxes: Mutex<Vec<(NodeId, mpsc::Sender<Message>)>>,
    /// Nodes that are members and hear nothing, as if their process hung.
    silent: Mutex<Vec<NodeId>>,
}

/// Makes the adapter of one node of the bus.
pub(crate) struct ChannelFactory {
    pub(crate) bus: Arc<Bus>,
    pub(crate) id: NodeId,
    /// What the adapter wrote down, for the tests to look at.
    pub(crate) hooks: Arc<Mutex<Vec<String>>>,
}

struct ChannelAdapter {
    shared: Arc<Shared>,
    outbox: mpsc::Sender<(Message, Option<ReceiptSender>)>,
    link: LinkReporter,
    hooks: Arc<Mutex<Vec<String>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    node: Arc<dyn LocalNode>,
    bus: Arc<Bus>,
    id: NodeId,
    n_requests: AtomicU64,
    requests: Mutex<HashMap<u64, mpsc::Sender<(NodeId, Answer)>>>,
}

#[derive(Clone)]
struct Message {
    from: NodeId,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Broadcast { args: JsonArgs, options: BroadcastOptions, request: Option<u64> },
    Join { options: BroadcastOptions, rooms: Vec<Room> },
    Leave { options: BroadcastOptions, rooms: Vec<Room> },
    Disconnect { options: BroadcastOptions, how: Disconnect },
    Fetch { options: BroadcastOptions, request: u64 },
    FetchIds { options: BroadcastOptions, request: u64 },
    ServerEvent { args: JsonArgs, request: Option<u64> },
    Answer { request: u64, answer: Answer },
}

#[derive(Clone)]
enum Answer {
    Sockets(Vec<SocketSnapshot>),
    Ids(Vec<SocketId>),
    Reply(JsonArgs),
    Asked(usize),
    Ack(ClientAck),
}

impl Bus {
    pub(crate) fn silence(&self, node: &str) {
        lock(&self.silent).push(node.into());
    }

    fn members_but(&self, id: &NodeId) -> Vec<NodeId> {
        lock(&self.inboxes).iter().map(|(member, _)| member).filter(|member| *member != id).cloned().collect()
    }

    /// Carries a message to all others, or to one.
    async fn send(&self, message: Message, to: Option<&NodeId>) {
        let inboxes = lock(&self.inboxes).clone();
        for (id, inbox) in inboxes {
            let is_meant = to.is_none_or(|to| *to == id) && id != message.from;
            if is_meant && !lock(&self.silent).contains(&id) {
                let _ = inbox.send(message.clone()).await;
            }
        }
    }
}

impl AdapterFactory for ChannelFactory {
    fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        let shared = Arc::new(Shared {
            node,
            bus: Arc::clone(&self.bus),
            id: self.id.clone(),
            n_requests: AtomicU64::new(0),
            requests: Mutex::default(),
        });
        let (outbox, mut outgoing) = mpsc::channel::<(Message, Option<ReceiptSender>)>(OUTBOX_SIZE);
        let (inbox, mut incoming) = mpsc::channel(INBOX_SIZE);
        lock(&self.bus.inboxes).push((self.id.clone(), inbox));
        let publisher = tokio::spawn({
            let bus = Arc::clone(&self.bus);
            async move {
                while let Some((message, receipt)) = outgoing.recv().await {
                    bus.send(message, None).await;
                    receipt.into_iter().for_each(|receipt| receipt.report(Ok(())));
                }
            }
        });
        let reader = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Some(message) = incoming.recv().await {
                    shared.handle(message);
                }
            }
        });
        Arc::new(ChannelAdapter {
            shared,
            outbox,
            link: LinkStatus::channel(LinkState::Down { since: Instant::now() }).0,
            hooks: Arc::clone(&self.hooks),
            tasks: Mutex::new(vec![publisher, reader]),
        })
    }
}

#[async_trait]
impl Adapter for ChannelAdapter {
    fn node(&self) -> &dyn LocalNode {
        &*self.shared.node
    }

    async fn init(&self) -> Result<(), AdapterError> {
        self.link.report(LinkState::Resumed { gap: Gap::Possible });
        Ok(())
    }

    async fn close(&self) -> Result<(), AdapterError> {
        lock(&self.shared.bus.inboxes).retain(|(id, _)| *id != self.shared.id);
        lock(&self.tasks).drain(..).for_each(|task| task.abort());
        self.link.report(LinkState::Down { since: Instant::now() });
        Ok(())
    }

    fn status(&self) -> LinkStatus {
        self.link.subscribe()
    }

    fn server_count(&self) -> ServerCount {
        ServerCount::Known(1 + self.shared.bus.members_but(&self.shared.id).len())
    }

    fn broadcast(&self, packet: &Outgoing, options: &BroadcastOptions) -> Receipt {
        let n_local = self.node().deliver(packet, options);
        let body = || Body::Broadcast { args: packet.to_args(), options: options.clone(), request: None };
        self.publish_unless_local(options, body).with_local(n_local)
    }

    fn broadcast_with_ack(&self, packet: &Outgoing, options: &BroadcastOptions) -> AckStream {
        let (sink, stream) = AckStream::channel();
        self.node().deliver_with_ack(packet, options, &sink);
        if options.flags().local {
            return stream;
        }
        let (request, mut answers) = self.shared.open_request();
        let body =
            Body::Broadcast { args: packet.to_args(), options: options.clone(), request: Some(request) };
        drop(self.publish(body));
        let mut missing = self.shared.bus.members_but(&self.shared.id);
        let shared = Arc::clone(&self.shared);
        let time = options.flags().timeout.unwrap_or(DEFAULT_REQUEST_TIMEOUT);
        tokio::spawn(async move {
            let mut n_open = 0_usize;
            let collect = async {
                while !missing.is_empty() || n_open > 0 {
                    match answers.recv().await {
                        Some((from, Answer::Asked(n))) => {
                            missing.retain(|node| *node != from);
                            n_open += n;
                        }
                        Some((_, Answer::Ack(ack))) => {
                            n_open -= 1;
                            sink.asked(ack.socket).resolve(ack.result);
                        }
                        Some(_) => {}
                        None => break,
                    }
                }
            };
            let _ = timeout(time, collect).await;
            lock(&shared.requests).remove(&request);
            (0..n_open).for_each(|_| sink.asked(None).resolve(Err(AckError::Timeout)));
            missing.into_iter().for_each(|node| sink.missing(node));
        });
        stream
    }

    fn room_opened(&self, room: &Room) -> Receipt {
        lock(&self.hooks).push(format!("opened {room}"));
        Receipt::done()
    }

    fn room_closed(&self, room: &Room) {
        lock(&self.hooks).push(format!("closed {room}"));
    }

    fn sockets_join(&self, options: &BroadcastOptions, rooms: &[Room]) -> Receipt {
        self.node().join(options, rooms);
        self.publish_unless_local(options, || Body::Join { options: options.clone(), rooms: rooms.to_vec() })
    }

    fn sockets_leave(&self, options: &BroadcastOptions, rooms: &[Room]) -> Receipt {
        self.node().leave(options, rooms);
        self.publish_unless_local(options, || Body::Leave { options: options.clone(), rooms: rooms.to_vec() })
    }

    fn disconnect_sockets(&self, options: &BroadcastOptions, how: Disconnect) -> Receipt {
        self.node().disconnect(options, how);
        self.publish_unless_local(options, || Body::Disconnect { options: options.clone(), how })
    }

    async fn fetch_sockets(&self, options: &BroadcastOptions) -> Fetched {
        let mut fetched = Fetched::new(self.node().snapshot(options));
        if options.flags().local {
            return fetched;
        }
        let time = options.flags().timeout.unwrap_or(DEFAULT_REQUEST_TIMEOUT);
        let ask = |request| Body::Fetch { options: options.clone(), request };
        let (answers, missing, error) = self.ask_all(ask, time).await;
        for (from, answer) in answers {
            if let Answer::Sockets(sockets) = answer {
                fetched.sockets.extend(sockets.into_iter().map(|mut socket| {
                    socket.node = Some(from.clone());
                    socket
                }));
            }
        }
        (fetched.missing, fetched.error) = (missing, error);
        fetched
    }

    async fn socket_ids(&self, options: &BroadcastOptions) -> FetchedIds {
        let mut fetched = FetchedIds::new(self.node().socket_ids(options));
        if options.flags().local {
            return fetched;
        }
        let time = options.flags().timeout.unwrap_or(DEFAULT_REQUEST_TIMEOUT);
        let ask = |request| Body::FetchIds { options: options.clone(), request };
        let (answers, missing, error) = self.ask_all(ask, time).await;
        for (_, answer) in answers {
            if let Answer::Ids(ids) = answer {
                fetched.ids.extend(ids);
            }
        }
        (fetched.missing, fetched.error) = (missing, error);
        fetched
    }

    fn server_side_emit(&self, event: &JsonArgs) -> Receipt {
        self.publish(Body::ServerEvent { args: event.clone(), request: None })
    }

    async fn server_side_emit_with_ack(&self, event: &JsonArgs, time: Duration) -> Replies {
        let ask = |request| Body::ServerEvent { args: event.clone(), request: Some(request) };
        let (answers, missing, error) = self.ask_all(ask, time).await;
        let replies = answers.into_iter().filter_map(|(from, answer)| match answer {
            Answer::Reply(args) => Some(Reply::new(Some(from), args)),
            _ => None,
        });
        let mut replies = Replies::new(replies.collect());
        (replies.missing, replies.error) = (missing, error);
        replies
    }
}

impl ChannelAdapter {
    fn publish_unless_local(&self, options: &BroadcastOptions, body: impl FnOnce() -> Body) -> Receipt {
        if options.flags().local { Receipt::done() } else { self.publish(body()) }
    }

    /// Queues a message for the task that sends them.
    fn publish(&self, body: Body) -> Receipt {
        let (sender, receipt) = Receipt::channel();
        match self.outbox.try_send((Message { from: self.shared.id.clone(), body }, Some(sender))) {
            Ok(()) => receipt,
            Err(mpsc::error::TrySendError::Full(_)) => Receipt::failed(AdapterErrorKind::QueueFull.into()),
            Err(mpsc::error::TrySendError::Closed(_)) => Receipt::failed(AdapterErrorKind::Closed.into()),
        }
    }

    /// Asks every other node and waits until each has answered or the time is over.
    async fn ask_all(
        &self,
        ask: impl FnOnce(u64) -> Body,
        time: Duration,
    ) -> (Vec<(NodeId, Answer)>, Missing, Option<AdapterError>) {
        let mut missing = self.shared.bus.members_but(&self.shared.id);
        let (request, mut answers) = self.shared.open_request();
        let mut received = Vec::new();
        let error = self.publish(ask(request)).await.err();
        let collect = async {
            while !missing.is_empty() && error.is_none() {
                let Some((from, answer)) = answers.recv().await else { break };
                missing.retain(|node| *node != from);
                received.push((from, answer));
            }
        };
        let _ = timeout(time, collect).await;
        lock(&self.shared.requests).remove(&request);
        (received, missing.into_iter().collect(), error)
    }
}

impl Shared {
    fn open_request(&self) -> (u64, mpsc::Receiver<(NodeId, Answer)>) {
        let (sender, receiver) = mpsc::channel(INBOX_SIZE);
        let request = self.n_requests.fetch_add(1, Ordering::Relaxed);
        lock(&self.requests).insert(request, sender);
        (request, receiver)
    }

    /// Acts on what another node published. One task calls it, so the order of the sender is kept.
    fn handle(self: &Arc<Self>, Message { from, body }: Message) {
        match body {
            Body::Broadcast { args, options, request: None } => {
                self.node.deliver(&Outgoing::from_args(args), &options);
            }
            Body::Broadcast { args, options, request: Some(request) } => {
                let (sink, mut stream) = AckStream::channel();
                let n_asked = self.node.deliver_with_ack(&Outgoing::from_args(args), &options, &sink);
                drop(sink);
                let shared = Arc::clone(self);
                tokio::spawn(async move {
                    shared.answer(&from, request, Answer::Asked(n_asked)).await;
                    while let Some(ack) = stream.next().await {
                        shared.answer(&from, request, Answer::Ack(ack)).await;
                    }
                });
            }
            Body::Join { options, rooms } => self.node.join(&options, &rooms),
            Body::Leave { options, rooms } => self.node.leave(&options, &rooms),
            Body::Disconnect { options, how } => self.node.disconnect(&options, how),
            Body::Fetch { options, request } => {
                let sockets = self.node.snapshot(&options);
                self.spawn_answer(from, request, Answer::Sockets(sockets));
            }
            Body::FetchIds { options, request } => {
                let ids = self.node.socket_ids(&options);
                self.spawn_answer(from, request, Answer::Ids(ids));
            }
            Body::ServerEvent { args, request } => {
                let reply = request.map(|request| {
                    let shared = Arc::clone(self);
                    ReplySender::new(move |args| shared.spawn_answer(from, request, Answer::Reply(args)))
                });
                self.node.server_side_event(args, reply);
            }
            Body::Answer { request, answer } => {
                if let Some(waiting) = lock(&self.requests).get(&request) {
                    let _ = waiting.try_send((from, answer));
                }
            }
        }
    }

    fn spawn_answer(self: &Arc<Self>, to: NodeId, request: u64, answer: Answer) {
        let shared = Arc::clone(self);
        tokio::spawn(async move { shared.answer(&to, request, answer).await });
    }

    async fn answer(&self, to: &NodeId, request: u64, answer: Answer) {
        self.bus
            .send(Message { from: self.id.clone(), body: Body::Answer { request, answer } }, Some(to))
            .await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics under a lock")
}

pub(crate) const OUTBOX_SIZE: usize = 8;
const INBOX_SIZE: usize = 64;
