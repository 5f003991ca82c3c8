#![doc = include_str!("../README.md")]

mod acks;
mod adapter;
mod error;
mod lock;
mod memory;
mod names;
mod node;
mod options;
mod outgoing;
mod receipt;
mod recovery;
mod replies;
pub mod rooms;
mod status;

pub use acks::{AckError, AckSink, AckStream, BroadcastAcks, ClientAck, PendingAck};
pub use adapter::{Adapter, AdapterFactory, DEFAULT_REQUEST_TIMEOUT};
pub use error::{AdapterError, AdapterErrorKind};
pub use memory::{InMemoryAdapter, InMemoryAdapterFactory};
pub use names::{NodeId, Room, SocketId};
pub use node::{Disconnect, LocalNode, ReplySender, SocketSnapshot};
pub use options::{BroadcastFlags, BroadcastOptions};
pub use outgoing::{JsonArgs, Outgoing};
pub use receipt::{Receipt, ReceiptSender};
pub use recovery::{
    LogLimits, Replay, Restored, RoomChange, Session, SessionAwareAdapter, SessionAwareAdapterFactory,
};
pub use replies::{Fetched, FetchedIds, Missing, Replies, Reply};
pub use rooms::RoomIndex;
pub use status::{Gap, LinkReporter, LinkState, LinkStatus, ServerCount};
