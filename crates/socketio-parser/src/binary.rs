//! Binary values, and how they pass through serde without a copy.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Bytes that travel as an attachment: sent and received without a copy.
///
/// In MessagePack there are no attachments: they are copied into the packet when sent, and received as a part of it, which
/// keeps all of it in memory.
///
/// It may stand anywhere in the arguments. Other types that serde knows as bytes (`bytes::Bytes` with its `serde`
/// feature, `serde_bytes`) work too, at the price of one copy. A plain `Vec<u8>` is, for serde, a list of numbers:
/// it is sent as such.
///
/// ```
/// use bytes::Bytes;
/// use socketio_parser::{Binary, EventHeader, Parser};
///
/// let thumbnail = Bytes::from_static(b"\x89PNG");
/// let packet = Parser::default().encode_event(&EventHeader::new("/", "image"), &Binary(thumbnail))?;
/// assert_eq!(packet.frames()[0].packet(), br#"451-["image",{"_placeholder":true,"num":0}]"#);
/// assert_eq!(packet.frames()[1].websocket().concat(), b"\x82\x04\x89PNG");
/// # Ok::<(), socketio_parser::EncodeError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(pub Bytes);

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<Vec<u8>> for Binary {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Binary> for Bytes {
    fn from(Binary(bytes): Binary) -> Self {
        bytes
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        offer(&self.0, |bytes| serializer.serialize_bytes(bytes))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BinaryVisitor).map(Self)
    }
}

struct BinaryVisitor;

impl<'de> Visitor<'de> for BinaryVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(claim(bytes))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(bytes.into())
    }

    /// Formats without bytes (JSON by itself) write them as a list of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

thread_local! {
    /// The owner of the bytes that are being passed through serde, which itself knows slices only.
    static OFFERED: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// Passes the slice of `bytes` to `give`, with the owner at hand for [`claim`].
pub(crate) fn offer<'a, R>(bytes: &'a Bytes, give: impl FnOnce(&'a [u8]) -> R) -> R {
    offer_owned(bytes.clone(), bytes, give)
}

/// Passes `part`, a part of `whole`, to `give`, with its owner at hand for [`claim`].
#[cfg(feature = "msgpack")]
pub(crate) fn offer_part<'a, R>(whole: &Bytes, part: &'a [u8], give: impl FnOnce(&'a [u8]) -> R) -> R {
    offer_owned(whole.slice_ref(part), part, give)
}

fn offer_owned<'a, R>(owner: Bytes, slice: &'a [u8], give: impl FnOnce(&'a [u8]) -> R) -> R {
    /// Puts back what was offered before, also when a foreign implementation panics.
    struct Restore(Option<Bytes>);

    impl Drop for Restore {
        fn drop(&mut self) {
            OFFERED.set(self.0.take());
        }
    }

    let _restore = Restore(OFFERED.replace(Some(owner)));
    give(slice)
}

/// The owner of `slice` if it is what is being offered, else a copy.
pub(crate) fn claim(slice: &[u8]) -> Bytes {
    let offered = OFFERED.take();
    let bytes = match &offered {
        Some(bytes) if std::ptr::eq::<[u8]>(&bytes[..], slice) => bytes.clone(),
        _ => Bytes::copy_from_slice(slice),
    };
    OFFERED.set(offered);
    bytes
}
