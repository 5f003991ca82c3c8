//! Arguments as the message of a failed test shows them.

use std::fmt::{self, Display, Write};

use socketio_parser::{Args, Value};

use crate::failure::chain;

/// Nobody reads further than this in the message of a failed test.
const MAX_CHARS: usize = 300;

/// The arguments of an event in parentheses, whatever their format.
pub(crate) fn args(args: &Args) -> String {
    let shown = match args.to_vec::<Value>() {
        Ok(values) => format!("({})", List(&values)),
        Err(error) => format!("(unreadable: {})", chain(&error)),
    };
    match shown.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}

struct List<'a>(&'a [Value]);

impl Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, value) in self.0.iter().enumerate() {
            f.write_str(if idx > 0 { ", " } else { "" })?;
            write!(f, "{}", Show(value))?;
        }
        Ok(())
    }
}

struct Show<'a>(&'a Value);

impl Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Unsigned(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::String(value) => write!(f, "{value:?}"),
            Value::Array(values) => write!(f, "[{}]", List(values)),
            Value::Object(members) => {
                f.write_char('{')?;
                for (idx, (key, value)) in members.iter().enumerate() {
                    let comma = if idx > 0 { ", " } else { "" };
                    write!(f, "{comma}{key:?}: {}", Self(value))?;
                }
                f.write_char('}')
            }
            Value::Binary(bytes) => write!(f, "<{} bytes>", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_parser::{Binary, Decoder, EventHeader, Packet, Parser};

    use super::*;

    fn show(values: impl serde::Serialize) -> String {
        let parser = Parser::default();
        let packet = parser.encode_event(&EventHeader::new("/", "e"), &values).unwrap();
        let mut decoder: Decoder = parser.decoder();
        let decoded = packet.frames().iter().find_map(|frame| decoder.decode(frame.to_message()).unwrap());
        match decoded {
            Some(Packet::Event { args: list, .. }) => args(&list),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_shown_as_one_would_write_them() {
        assert_eq!(show(()), "()");
        assert_eq!(show(("a\"b", -1, 1.5, Some(true), None::<u8>)), r#"("a\"b", -1, 1.5, true, null)"#);
        assert_eq!(show((vec![1, 2], Binary::from(vec![1, 2, 3]))), "([1, 2], <3 bytes>)");
        assert_eq!(show(std::collections::BTreeMap::from([("k", 1), ("l", 2)])), r#"({"k": 1, "l": 2})"#);
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(show("é".repeat(1000)).chars().count(), MAX_CHARS + 1);
    }
}
