//! Says what the packets of Engine.IO and Socket.IO mean, with the two parser crates and nothing else of this project.
//!
//! ```text
//! $ cargo run -q -p packet-inspector '42/chat,7["say","hello",{"loud":true}]'
//! message: event "say" in namespace /chat, answer wanted with ack id 7
//!   argument 1: "hello"
//!   argument 2: {
//!     "loud": true
//!   }
//! ```
//!
//! Each argument, or each line of the standard input, is a text frame of a WebSocket or the body of a polling request,
//! as the network panel of a browser shows it: a character U+001E, or `\x1e` in its place, stands between packets. A
//! binary frame is written as in polling: `b` and base64. They are taken for one direction of one connection, so an
//! event and its attachments belong together.

mod inspector;
mod show;

use std::io::{BufRead, Error, Write};

use inspector::Inspector;

fn main() -> Result<(), Error> {
    let mut inspector = Inspector::default();
    let mut out = std::io::stdout().lock();
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some() {
        for payload in arguments {
            write!(out, "{}", inspector.payload(&payload))?;
        }
    } else {
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            if !line.is_empty() {
                write!(out, "{}", inspector.payload(&line))?;
            }
        }
    }
    write!(out, "{}", inspector.end())
}
