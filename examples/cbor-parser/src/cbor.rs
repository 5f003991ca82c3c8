//! Packets in CBOR.
//!
//! A packet is taken apart when it arrives, but its arguments stay the bytes they are until a handler says what it wants
//! to read them as.

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use cbor4ii::core::dec::{Decode, IgnoredAny, Read};
use cbor4ii::core::utils::SliceReader;
use cbor4ii::core::{RawValue, types};
use serde::Serialize;
use socketio_server::Args;
use socketio_server::engine::Message;
use socketio_server::parser::{
    CustomDecoder, CustomPacket, CustomParser, CustomValue, EncodedPacket, Packet, PacketType, Payload, Text,
};

type BoxError = Box<dyn Error + Send + Sync>;

/// The format. It has no state, so that one value serves as the parser and as each connection's decoder.
#[derive(Debug)]
pub(crate) struct Cbor;

impl CustomParser for Cbor {
    fn encode(&self, packet: &CustomPacket<'_>) -> Result<EncodedPacket, BoxError> {
        #[derive(Serialize)]
        struct Wire<'a> {
            r#type: u8,
            nsp: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            data: Option<&'a dyn erased_serde::Serialize>,
        }
        let CustomPacket { packet_type, namespace, id, data, .. } = *packet;
        let wire = Wire { r#type: packet_type as u8, nsp: namespace, id, data };
        let bytes = cbor4ii::serde::to_vec(Vec::new(), &wire)?;
        Ok(EncodedPacket::new([Message::from(Bytes::from(bytes))]))
    }

    fn decoder(&self) -> Box<dyn CustomDecoder> {
        Box::new(Self)
    }
}

impl CustomDecoder for Cbor {
    fn decode_text(&mut self, _: Text) -> Result<Option<Packet>, BoxError> {
        Err("a packet is binary".into())
    }

    /// The reader bounds how deep values nest, and no length that a peer only announces makes it allocate.
    fn decode_binary(&mut self, frame: Bytes) -> Result<Option<Packet>, BoxError> {
        let (mut kind, mut namespace, mut id, mut data) = (None, None, None, None);
        let mut reader = SliceReader::new(&frame);
        let n_members = types::Map::len(&mut reader)?.ok_or("a map without length")?;
        for _ in 0..n_members {
            match <&str>::decode(&mut reader)? {
                "type" => kind = Some(u8::decode(&mut reader)?),
                "nsp" => namespace = Some(Text::from(<&str>::decode(&mut reader)?)),
                "id" => id = Some(u64::decode(&mut reader)?),
                "data" => data = Some(Item(frame.slice_ref(RawValue::decode(&mut reader)?.as_bytes()))),
                _ => {
                    IgnoredAny::decode(&mut reader)?;
                }
            }
        }
        if !reader.fill(1)?.as_ref().is_empty() {
            return Err("something follows the packet".into());
        }
        let namespace = namespace.ok_or("no namespace")?;
        let data = data.filter(|item| !item.is_nothing());
        let is = |expected: PacketType| kind == Some(expected as u8);
        Ok(Some(if is(PacketType::Event) {
            let mut items = data.ok_or("an event without data")?.into_items()?.into_iter();
            let name = items.next().ok_or("an event without name")?;
            let name = Text::from(<&str>::decode(&mut SliceReader::new(&name.0))?);
            Packet::Event { namespace, id, name, args: args(items) }
        } else if is(PacketType::Ack) {
            let items = data.map_or(Ok(Vec::new()), Item::into_items)?;
            Packet::Ack { namespace, id: id.ok_or("an answer without id")?, args: args(items) }
        } else if is(PacketType::Connect) {
            Packet::Connect { namespace, auth: data.map(|item| Payload::custom(Arc::new(item))) }
        } else if is(PacketType::Disconnect) {
            Packet::Disconnect { namespace }
        } else {
            // Only servers refuse, so this one need not read CONNECT_ERROR.
            return Err("no packet that a client sends".into());
        }))
    }
}

fn args(items: impl IntoIterator<Item = Item>) -> Args {
    Args::custom(items.into_iter().map(|item| Arc::new(item) as Arc<dyn CustomValue>))
}

/// The bytes of one value, which share the frame's memory.
struct Item(Bytes);

impl Item {
    /// `null` or `undefined`.
    fn is_nothing(&self) -> bool {
        matches!(self.0[..], [0xf6 | 0xf7])
    }

    fn into_items(self) -> Result<Vec<Self>, BoxError> {
        let mut reader = SliceReader::new(&self.0);
        let len = types::Array::len(&mut reader)?.ok_or("an array without length")?;
        let item = |_| -> Result<Self, BoxError> {
            Ok(Self(self.0.slice_ref(RawValue::decode(&mut reader)?.as_bytes())))
        };
        (0..len).map(item).collect()
    }
}

impl CustomValue for Item {
    fn deserialize<'de>(
        &'de self,
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'de>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), erased_serde::Error> {
        let mut value = cbor4ii::serde::Deserializer::new(SliceReader::new(&self.0));
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut value))
    }
}
