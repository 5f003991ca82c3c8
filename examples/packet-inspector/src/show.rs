//! Values and numbers for people.

use serde::Serialize;
use serde::ser::Serializer;
use socketio_parser::Value;

/// The value as JSON with line breaks; what is binary, which JSON has no form for, is described in a string.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(&Shown(value)).unwrap_or_else(|error| format!("(not shown: {error})"))
}

/// `1 byte`, `2 bytes`.
pub(crate) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

struct Shown<'a>(&'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(values) => serializer.collect_seq(values.iter().map(Shown)),
            Value::Object(members) => {
                serializer.collect_map(members.iter().map(|(key, value)| (key, Shown(value))))
            }
            Value::Binary(bytes) => {
                serializer.collect_str(&format_args!("<binary, {}>", count(bytes.len(), "byte")))
            }
            other => other.serialize(serializer),
        }
    }
}
