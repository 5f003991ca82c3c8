#![doc = include_str!("../README.md")]

mod adapters;
mod broadcast;
mod builder;
mod client;
mod client_files;
mod config;
mod connection;
mod deadlines;
mod driver;
mod emit;
pub mod engine;
mod engine_io;
mod error;
mod event;
mod handshake;
mod interchange;
mod json_args;
#[cfg(feature = "logging")]
pub mod logging;
mod namespace;
mod reason;
mod recovery;
mod server;
mod service;
mod socket;
mod sync;
mod tasks;

pub use broadcast::{
    AckStream, Acks, Broadcast, ClientAck, CollectAcks, FetchedSockets, IntoRooms, RemoteAckFuture,
    RemoteSocket,
};
pub use builder::Builder;
pub use client_files::{ClientFiles, ClientFilesError};
pub use connection::Client;
pub use emit::{Emit, EmitFuture, Joined, JoinedFuture};
pub use engine_io_server::{
    Cors, Forbidden, HttpCompression, NoEntropy, Origins, PeerAddr, Transport, random_id,
};
pub use error::{AckError, AdapterFixed, ConfigError, ConnectError, EmitError, HandlerError, JoinRoomError};
pub use event::{Ack, Auth, Data, HandlerId, IncomingEvent, Reply, State};
pub use handshake::Handshake;
pub use namespace::{Namespace, ServerAcks, ServerReplies};
pub use reason::DisconnectReason;
pub use recovery::Recovery;
pub use server::Server;
pub use service::{ServerLayer, ServerLayered, ServerService};
pub use socket::{AckFuture, Socket, SocketData, SocketOperator};
pub use socketio_adapter::rooms::{JoinError, RoomLimits};
pub use socketio_adapter::{Room, SocketId};
pub use socketio_parser::{Args, Binary, EncodeError, Limits, Parser, Value};

/// What handlers take and return, for those who extend it.
pub mod handler {
    pub use crate::event::{
        Attachments, BoxFuture, ConnectContext, DisconnectContext, DisconnectDetail, EventContext,
        EventMiddlewareOutcome, EventName, Extract, ExtractError, Handler, MiddlewareOutcome, Outcome, Rooms,
        ServerEventContext, SocketContext,
    };
}

/// What a packet format of one's own is made of.
pub mod parser {
    pub use engine_io_parser::Text;
    pub use socketio_parser::{
        CustomDecoder, CustomPacket, CustomParser, CustomValue, DecodeError, EncodeError, EncodedPacket,
        Packet, PacketType, Payload, Pending,
    };
}

/// What a namespace knows of its rooms and of other servers.
pub mod adapter {
    pub use socketio_adapter::{
        AdapterError, AdapterErrorKind, FetchedIds, Gap, LinkState, LinkStatus, Missing, NodeId, ServerCount,
    };

    pub use crate::namespace::{AdapterView, RoomEvent, RoomEvents, RoomEventsMissed};
}
