//! What somebody implements to speak another format, and still emit and receive typed arguments.

use std::error::Error;
use std::fmt::Debug;

use bytes::Bytes;
use engine_io_parser::Text;

use crate::decoder::Pending;
use crate::{EncodedPacket, Packet, PacketType};

/// A packet format; both sides of a connection must use the same.
///
/// It is shared by all connections, and knows arguments only as something that serde can serialize.
pub trait CustomParser: Debug + Send + Sync {
    /// Encodes one packet into the frames it is sent as.
    ///
    /// # Errors
    ///
    /// Whatever keeps the packet from being encoded. The packet is then not sent.
    fn encode(&self, packet: &CustomPacket<'_>) -> Result<EncodedPacket, Box<dyn Error + Send + Sync>>;

    /// A decoder for one connection.
    fn decoder(&self) -> Box<dyn CustomDecoder>;
}

/// A packet that a custom parser is to encode.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct CustomPacket<'a> {
    /// The type; never a binary one, as only the default format tells them apart.
    pub packet_type: PacketType,
    /// The namespace.
    pub namespace: &'a str,
    /// The ack id.
    pub id: Option<u64>,
    /// The payload as the protocol's documents know it: of an event, a list of its name and its arguments; of an ack, a
    /// list of arguments. Binary values in it serialize as bytes.
    pub data: Option<&'a dyn erased_serde::Serialize>,
}

impl std::fmt::Debug for CustomPacket<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomPacket")
            .field("packet_type", &self.packet_type)
            .field("namespace", &self.namespace)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Decodes the frames of one connection.
///
/// What a peer sends decides what is allocated and how deep calls nest, so both need bounds. What is returned is
/// checked for a well-formed namespace and reserved event names; any other check is the decoder's.
pub trait CustomDecoder: Debug + Send + Sync {
    /// Takes a text; `None` means that more frames belong to the packet.
    ///
    /// # Errors
    ///
    /// Any error closes the connection.
    fn decode_text(&mut self, text: Text) -> Result<Option<Packet>, Box<dyn Error + Send + Sync>>;

    /// Takes binary data; `None` means that more frames belong to the packet.
    ///
    /// # Errors
    ///
    /// Any error closes the connection.
    fn decode_binary(&mut self, bytes: Bytes) -> Result<Option<Packet>, Box<dyn Error + Send + Sync>>;

    /// The packet that waits for further frames, if one does.
    fn pending(&self) -> Option<Pending<'_>> {
        None
    }

    /// Forgets a packet that waits for further frames.
    fn reset(&mut self) {}
}

/// One decoded argument or payload.
pub trait CustomValue: Send + Sync {
    /// Calls `read` once with a deserializer of this value.
    ///
    /// ```
    /// use socketio_parser::CustomValue;
    ///
    /// struct Tree(serde_json::Value);
    ///
    /// impl CustomValue for Tree {
    ///     fn deserialize<'de>(
    ///         &'de self,
    ///         read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'de>) -> Result<(), erased_serde::Error>,
    ///     ) -> Result<(), erased_serde::Error> {
    ///         read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&self.0))
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// What `read` returns, or that there is nothing to read.
    fn deserialize<'de>(
        &'de self,
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'de>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), erased_serde::Error>;
}
