//! JSON beyond what `serde_json` offers: a check of the structure with a bound on its depth, the placeholders of
//! binary values, and a deserializer that puts those values in their place.

mod bind;
mod placeholder;
mod scan;

pub(crate) use bind::BindDeserializer;
#[cfg(feature = "msgpack")]
pub(crate) use bind::Key;
pub(crate) use placeholder::count as count_placeholders;
pub(crate) use scan::{Fault, Scanner, Starts, plain_len};

/// One element of an array without what stands between it and the next, or the end.
pub(crate) fn trim_element(text: &str) -> &str {
    text.trim_end_matches([',', ' ', '\t', '\n', '\r'])
}
