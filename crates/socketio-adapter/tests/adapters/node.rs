//! One node whose clients only write down what they get.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use engine_io_parser::SharedFrame;
use socketio_adapter::rooms::{Recipients, RoomEvent};
use socketio_adapter::{
    AckError, AckSink, Adapter, AdapterFactory, BroadcastOptions, Disconnect, JsonArgs, LocalNode, Outgoing,
    PendingAck, Receipt, ReplySender, Room, RoomIndex, SocketId, SocketSnapshot,
};

/// A namespace of recording clients. Sockets are numbered in the order of their connecting.
#[derive(Default)]
pub(crate) struct Node {
    table: Mutex<Table>,
    /// The adapter owns the node; a strong reference back would keep both for ever.
    adapter: OnceLock<Weak<dyn Adapter>>,
}

#[derive(Default)]
struct Table {
    rooms: RoomIndex<u32>,
    sockets: Vec<Client>,
    recipients: Recipients<u32>,
    server_events: Vec<JsonArgs>,
    /// How this server answers an event of another one; `None` leaves it unanswered.
    server_reply: Option<JsonArgs>,
}

struct Client {
    id: SocketId,
    received: Vec<String>,
    acks: Vec<PendingAck>,
    disconnected: Option<Disconnect>,
}

impl Node {
    /// A node and its adapter.
    pub(crate) fn start(factory: &impl AdapterFactory) -> (Arc<Self>, Arc<dyn Adapter>) {
        let node = Arc::new(Self::default());
        let adapter = factory.create(Arc::clone(&node) as Arc<dyn LocalNode>);
        let known = node.adapter.get_or_init(|| Arc::downgrade(&adapter));
        assert!(known.ptr_eq(&Arc::downgrade(&adapter)), "a node has one adapter");
        (node, adapter)
    }

    pub(crate) fn connect(&self, id: &str) -> u32 {
        let mut table = self.lock();
        let slot = u32::try_from(table.sockets.len()).expect("few clients");
        let client = Client { id: id.into(), received: Vec::new(), acks: Vec::new(), disconnected: None };
        table.sockets.push(client);
        self.change(table, |rooms, events| rooms.insert(slot, &id.into(), events));
        slot
    }

    pub(crate) fn join_rooms(&self, slot: u32, rooms: &[&str]) -> Vec<Receipt> {
        let rooms: Vec<Room> = rooms.iter().map(|&room| room.into()).collect();
        self.change(self.lock(), |table, events| {
            table.join(slot, &rooms, events).expect("nothing is against it")
        })
    }

    pub(crate) fn leave_room(&self, slot: u32, room: &str) {
        self.change(self.lock(), |rooms, events| rooms.leave(slot, room, events));
    }

    /// What the client got, as the packets that it read.
    pub(crate) fn received(&self, slot: u32) -> Vec<String> {
        self.lock().sockets[slot as usize].received.clone()
    }

    pub(crate) fn disconnected(&self, slot: u32) -> Option<Disconnect> {
        self.lock().sockets[slot as usize].disconnected
    }

    /// The client answers the oldest event that asked it for an ack.
    pub(crate) fn answer(&self, slot: u32, result: Result<&str, AckError>) {
        let ack = self.lock().sockets[slot as usize].acks.remove(0);
        ack.resolve(result.map(|json| JsonArgs::new(json, vec![])));
    }

    pub(crate) fn is_in(&self, slot: u32, room: &str) -> bool {
        self.lock().rooms.contains(slot, room)
    }

    pub(crate) fn reply_to_servers(&self, json: &str) {
        self.lock().server_reply = Some(JsonArgs::new(json, vec![]));
    }

    pub(crate) fn server_events(&self) -> Vec<String> {
        self.lock().server_events.iter().map(|event| event.json.to_string()).collect()
    }

    /// Changes the rooms, and tells the adapter under the same lock, as the contract of the hooks says.
    fn change(
        &self,
        mut table: MutexGuard<'_, Table>,
        change: impl FnOnce(&mut RoomIndex<u32>, &mut Vec<RoomEvent<u32>>),
    ) -> Vec<Receipt> {
        let mut events = Vec::new();
        change(&mut table.rooms, &mut events);
        let Some(adapter) = self.adapter.get().and_then(Weak::upgrade) else { return Vec::new() };
        let mut receipts = Vec::new();
        for event in events {
            match event {
                RoomEvent::Created { room } => receipts.push(adapter.room_opened(&room)),
                RoomEvent::Deleted { room } => adapter.room_closed(&room),
                _ => {}
            }
        }
        receipts
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no test panics under this lock")
    }

    fn select(table: &mut Table, options: &BroadcastOptions) -> Vec<u32> {
        let Table { rooms, recipients, .. } = table;
        rooms.select(options, recipients);
        recipients.slots().to_vec()
    }
}

impl LocalNode for Node {
    fn namespace(&self) -> &str {
        "/"
    }

    fn deliver(&self, packet: &Outgoing, options: &BroadcastOptions) -> usize {
        let mut table = self.lock();
        let slots = Self::select(&mut table, options);
        let text = text_of(packet);
        for &slot in &slots {
            table.sockets[slot as usize].received.push(text.clone());
        }
        slots.len()
    }

    fn deliver_with_ack(&self, packet: &Outgoing, options: &BroadcastOptions, acks: &AckSink) -> usize {
        let mut table = self.lock();
        let slots = Self::select(&mut table, options);
        for &slot in &slots {
            let client = &mut table.sockets[slot as usize];
            client.received.push(format!("421{}", String::from_utf8_lossy(packet.args_json())));
            client.acks.push(acks.asked(client.id.clone()));
        }
        slots.len()
    }

    fn join(&self, options: &BroadcastOptions, rooms: &[Room]) {
        let mut table = self.lock();
        let slots = Self::select(&mut table, options);
        self.change(table, |table, events| {
            for slot in slots {
                table.join(slot, rooms, events).expect("nothing is against it");
            }
        });
    }

    fn leave(&self, options: &BroadcastOptions, rooms: &[Room]) {
        let mut table = self.lock();
        let slots = Self::select(&mut table, options);
        self.change(table, |table, events| {
            for slot in slots {
                rooms.iter().for_each(|room| table.leave(slot, room, events));
            }
        });
    }

    fn disconnect(&self, options: &BroadcastOptions, how: Disconnect) {
        let mut table = self.lock();
        let slots = Self::select(&mut table, options);
        for &slot in &slots {
            table.sockets[slot as usize].disconnected = Some(how);
            table.sockets[slot as usize].acks.clear();
        }
        self.change(table, |table, events| slots.into_iter().for_each(|slot| table.remove(slot, events)));
    }

    fn snapshot(&self, options: &BroadcastOptions) -> Vec<SocketSnapshot> {
        let mut table = self.lock();
        let slots = Self::select(&mut table, options);
        let describe = |slot: u32| {
            let mut snapshot = SocketSnapshot::new(table.sockets[slot as usize].id.clone());
            snapshot.rooms = table.rooms.rooms_of(slot).cloned().collect();
            snapshot
        };
        slots.into_iter().map(describe).collect()
    }

    fn has_room(&self, room: &str) -> bool {
        self.lock().rooms.has_room(room)
    }

    fn open_rooms(&self) -> Vec<Room> {
        self.lock().rooms.rooms().cloned().collect()
    }

    fn server_side_event(&self, event: JsonArgs, reply: Option<ReplySender>) {
        let mut table = self.lock();
        table.server_events.push(event);
        if let (Some(reply), Some(args)) = (reply, table.server_reply.clone()) {
            drop(table);
            reply.send(args);
        }
    }
}

/// An event as the server makes it: encoded once, before the adapter sees it.
pub(crate) fn event(json: &str) -> Outgoing {
    Outgoing::from_frames([SharedFrame::text(&format!("2{json}"))])
}

fn text_of(packet: &Outgoing) -> String {
    let encode = |args: &JsonArgs| Ok::<_, Infallible>([SharedFrame::text(&format!("2{}", args.json))]);
    let frames = packet.frames(encode).expect("this encoder does not fail");
    String::from_utf8_lossy(frames[0].packet()).into_owned()
}
