//! An event on its way to many clients, and to other nodes.

use std::sync::OnceLock;

use bytes::Bytes;
use engine_io_parser::{Message, SharedFrame, Text};
use smallvec::SmallVec;

/// Arguments of an event or of an ack, apart from any packet: a JSON array, and the binary values it refers to.
///
/// Where a binary value belongs the text has a placeholder object (`{"_placeholder":true,"num":0}`), as in the
/// [Socket.IO protocol](https://github.com/socketio/socket.io-protocol). This is the form in which cluster adapters
/// publish an event and hand one in. An event's name is its first argument.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonArgs {
    /// The arguments as the text of a JSON array.
    pub json: Text,
    /// The binary values, in the order of their placeholder numbers.
    pub attachments: Vec<Bytes>,
}

impl JsonArgs {
    /// Arguments from the text of a JSON array and the binary values it refers to.
    ///
    /// The text is not checked here: whoever reads it does so, with its own limits.
    #[must_use]
    pub fn new(json: impl Into<Text>, attachments: Vec<Bytes>) -> Self {
        Self { json: json.into(), attachments }
    }
}

/// An event to be delivered to local clients and published to other nodes, encoded once.
///
/// On the node where it was emitted it carries the frames that clients get; a cluster adapter reads its arguments out
/// of them without encoding again. On a node that learnt of it from another one it carries the arguments, and
/// the frames are made when the first local recipient is found. Clones share frames and arguments, nothing is copied.
#[derive(Debug, Clone)]
pub struct Outgoing {
    frames: OnceLock<Frames>,
    source: Source,
    may_compress: bool,
}

/// Most packets are one frame: text without attachments.
type Frames = SmallVec<[SharedFrame; 1]>;

#[derive(Debug, Clone)]
enum Source {
    /// The JSON array is the end of the first frame's text; the further frames are the attachments.
    Frames,
    Args(JsonArgs),
}

impl Outgoing {
    /// An event encoded by the JSON parser: a text frame such as `2/chat,["news",1]`, then its attachments.
    #[must_use]
    pub fn from_frames(frames: impl IntoIterator<Item = SharedFrame>) -> Self {
        Self::new(OnceLock::from(Frames::from_iter(frames)), Source::Frames)
    }

    /// An event whose frames are not made of JSON (another parser), with its arguments beside them.
    #[must_use]
    pub fn from_parts(frames: impl IntoIterator<Item = SharedFrame>, args: JsonArgs) -> Self {
        Self::new(OnceLock::from(Frames::from_iter(frames)), Source::Args(args))
    }

    /// An event of which only the arguments are known: its frames are made when they are asked for.
    #[must_use]
    pub fn from_args(args: JsonArgs) -> Self {
        Self::new(OnceLock::new(), Source::Args(args))
    }

    fn new(frames: OnceLock<Frames>, source: Source) -> Self {
        Self { frames, source, may_compress: true }
    }

    /// The same event, which no transport is to compress: what the flag
    /// [`compress`](crate::BroadcastFlags::compress) asks for if it is `Some(false)`.
    ///
    /// A server does so with what it delivers; an adapter has to with what it keeps and delivers without flags, as it
    /// does to a client that has [come back](crate::Replay).
    #[must_use]
    pub fn without_compression(self) -> Self {
        let frames = match self.frames.into_inner() {
            Some(frames) => OnceLock::from(plain(frames)),
            None => OnceLock::new(),
        };
        Self { frames, source: self.source, may_compress: false }
    }

    /// The frames that each recipient gets, made by `encode` if there are none yet.
    ///
    /// # Errors
    ///
    /// What `encode` returns; a later call tries again.
    pub fn frames<E, I>(&self, encode: impl FnOnce(&JsonArgs) -> Result<I, E>) -> Result<&[SharedFrame], E>
    where
        I: IntoIterator<Item = SharedFrame>,
    {
        if let (None, Source::Args(args)) = (self.frames.get(), &self.source) {
            let mut frames = Frames::from_iter(encode(args)?);
            if !self.may_compress {
                frames = plain(frames);
            }
            // Two threads may have encoded at once; either result will do.
            let _ = self.frames.set(frames);
        }
        Ok(self.framed())
    }

    /// The arguments, event name first, as the UTF-8 text of a JSON array with placeholders for attachments.
    #[must_use]
    pub fn args_json(&self) -> &[u8] {
        match &self.source {
            Source::Args(args) => args.json.as_bytes(),
            Source::Frames => self.framed().first().map_or(&[], json_of),
        }
    }

    /// The binary values that the arguments refer to, in the order of their placeholder numbers; shared, not copied.
    pub fn attachments(&self) -> impl Iterator<Item = Bytes> + '_ {
        let (kept, framed) = match &self.source {
            Source::Args(args) => (args.attachments.as_slice(), &[][..]),
            Source::Frames => (&[][..], self.framed().get(1..).unwrap_or_default()),
        };
        kept.iter().cloned().chain(framed.iter().map(|frame| match frame.to_message() {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into_bytes(),
        }))
    }

    /// The arguments apart from the frames. They are shared where that is possible; the text of a frame is copied.
    #[must_use]
    pub fn to_args(&self) -> JsonArgs {
        match &self.source {
            Source::Args(args) => args.clone(),
            Source::Frames => {
                // A text frame is made of UTF-8, so nothing is replaced here.
                let json = String::from_utf8_lossy(self.args_json()).into_owned();
                JsonArgs::new(json, self.attachments().collect())
            }
        }
    }

    /// The same event with a string as one more argument: a position in a log.
    #[must_use]
    pub fn with_last_arg(&self, arg: &str) -> Self {
        let json = self.args_json();
        // An event is a list of at least its name.
        let open = json.strip_suffix(b"]").unwrap_or(json);
        let mut text = String::from_utf8_lossy(open).into_owned();
        text.push_str(",\"");
        for char in arg.chars() {
            match char {
                '"' | '\\' => text.extend(['\\', char]),
                '\0'..=' ' if char != ' ' => text.push_str(&format!("\\u{:04x}", u32::from(char))),
                _ => text.push(char),
            }
        }
        text.push_str("\"]");
        let args = JsonArgs::new(text, self.attachments().collect());
        Self { may_compress: self.may_compress, ..Self::from_args(args) }
    }

    /// Whether the last argument is a string; without arguments, the name is.
    #[must_use]
    pub fn ends_in_a_string(&self) -> bool {
        // Nothing else in JSON ends in a quote.
        let json = self.args_json().trim_ascii_end();
        json.strip_suffix(b"]").is_some_and(|rest| rest.trim_ascii_end().ends_with(b"\""))
    }

    fn framed(&self) -> &[SharedFrame] {
        self.frames.get().map_or(&[], |frames| frames)
    }
}

fn plain(frames: Frames) -> Frames {
    frames.into_iter().map(SharedFrame::without_compression).collect()
}

/// The JSON array of an encoded event: what follows packet type, number of attachments, namespace and ack id.
fn json_of(frame: &SharedFrame) -> &[u8] {
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    // The packet of a text frame is the text behind one type character, which is a digit too.
    let mut rest = frame.packet();
    rest = &rest[rest.iter().take_while(|byte| is_number(byte)).count()..];
    if rest.starts_with(b"/") {
        let namespace = rest.iter().take_while(|byte| **byte != b',').count();
        rest = rest.get(namespace + 1..).unwrap_or_default();
    }
    &rest[rest.iter().take_while(|byte| is_number(byte)).count()..]
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn arguments_are_read_out_of_the_frames() {
        for (packet, json) in [
            (r#"2["a",1]"#, r#"["a",1]"#),
            (r#"212["a"]"#, r#"["a"]"#),
            (r#"2/chat,["a"]"#, r#"["a"]"#),
            (r#"2/ch[at,12["a",[]]"#, r#"["a",[]]"#),
            (r#"52-/1-2,7["a"]"#, r#"["a"]"#),
            ("2/chat", ""),
            ("", ""),
        ] {
            let packet = Outgoing::from_frames([SharedFrame::text(packet)]);
            assert_eq!(packet.args_json(), json.as_bytes());
            assert_eq!(packet.attachments().count(), 0);
        }
    }

    #[test]
    fn attachments_are_the_further_frames_and_shared() {
        let image = Bytes::from_static(&[1, 2, 3]);
        let text = r#"51-["image",{"_placeholder":true,"num":0}]"#;
        let packet = Outgoing::from_frames([SharedFrame::text(text), SharedFrame::binary(image.clone())]);
        assert_eq!(packet.args_json(), br#"["image",{"_placeholder":true,"num":0}]"#);
        let attachments: Vec<Bytes> = packet.attachments().collect();
        assert_eq!(attachments.len(), 1);
        assert_eq!(attachments[0], image);
        assert_eq!(attachments[0].as_ptr(), image.as_ptr());
        assert_eq!(packet.to_args().attachments, attachments);
        assert_eq!(packet.to_args().json.as_bytes(), packet.args_json());
    }

    #[test]
    fn arguments_are_encoded_once() {
        let packet = Outgoing::from_args(JsonArgs::new(r#"["a"]"#, vec![]));
        let mut n_encoded = 0;
        for _ in 0..2 {
            let frames = packet
                .frames(|args| {
                    n_encoded += 1;
                    Ok::<_, Infallible>([SharedFrame::text(&format!("2{}", args.json))])
                })
                .expect("this encoder does not fail");
            assert_eq!(frames[0].packet(), br#"42["a"]"#);
        }
        assert_eq!(n_encoded, 1);
        assert_eq!(packet.args_json(), br#"["a"]"#);
    }

    #[test]
    fn a_failed_encoding_is_reported_and_tried_again() {
        let packet = Outgoing::from_args(JsonArgs::new("[", vec![]));
        let failed = packet.frames(|_| Err::<[SharedFrame; 0], _>("bad"));
        assert_eq!(failed.map(<[_]>::len), Err("bad"));
        let frames = packet.frames(|_| Ok::<_, &str>([SharedFrame::text("2[]")]));
        assert_eq!(frames.map(<[_]>::len), Ok(1));
    }

    #[test]
    fn other_parsers_carry_their_arguments_beside_the_frames() {
        let frames = [SharedFrame::binary(Bytes::from_static(&[0x93]))];
        let packet = Outgoing::from_parts(frames, JsonArgs::new(r#"["a"]"#, vec![Bytes::from_static(&[7])]));
        assert_eq!(packet.args_json(), br#"["a"]"#);
        assert_eq!(packet.attachments().collect::<Vec<_>>(), [Bytes::from_static(&[7])]);
        let frames = packet.frames(|_| Err::<[SharedFrame; 0], _>("never called"));
        assert_eq!(frames.map(<[_]>::len), Ok(1));
    }

    #[test]
    fn an_event_that_is_not_to_be_compressed_says_so_in_all_its_frames() {
        let text = r#"51-["a",{"_placeholder":true,"num":0}]"#;
        let frames = || [SharedFrame::text(text), SharedFrame::binary(Bytes::from_static(&[1]))];
        let args = JsonArgs::new(r#"["a"]"#, vec![]);
        for event in [Outgoing::from_frames(frames()), Outgoing::from_args(args)] {
            for (event, may_compress) in [
                (event.clone(), true),
                (event.clone().without_compression(), false),
                (event.with_last_arg("x"), true),
                (event.without_compression().with_last_arg("x"), false),
            ] {
                let frames =
                    event.frames(|_| Ok::<_, Infallible>(frames())).expect("this encoder does not fail");
                assert!(frames.len() == 2 && frames.iter().all(|frame| frame.may_compress() == may_compress));
            }
        }
    }

    #[test]
    fn a_position_is_one_more_argument() {
        let event = Outgoing::from_frames([SharedFrame::text(r#"2/chat,["a",1]"#)]);
        assert_eq!(event.with_last_arg("x.1").args_json(), br#"["a",1,"x.1"]"#);
        let odd = event.with_last_arg("\"\\\n ü");
        assert_eq!(odd.args_json(), r#"["a",1,"\"\\\u000a ü"]"#.as_bytes());
        let image = Bytes::from_static(&[1]);
        let text = r#"51-["a",{"_placeholder":true,"num":0}]"#;
        let binary = Outgoing::from_frames([SharedFrame::text(text), SharedFrame::binary(image.clone())]);
        let binary = binary.with_last_arg("x");
        assert_eq!(binary.args_json(), br#"["a",{"_placeholder":true,"num":0},"x"]"#);
        assert_eq!(binary.attachments().collect::<Vec<_>>(), [image]);
    }

    #[test]
    fn what_a_client_would_take_for_a_position_is_seen() {
        for (json, is_string) in [
            (r#"["a"]"#, true),
            (r#"["a","b"]"#, true),
            (r#"["a","b" ]"#, true),
            (r#"["a",1]"#, false),
            (r#"["a",["b"]]"#, false),
            (r#"["a",{"b":"c"}]"#, false),
            (r#"["a",null]"#, false),
        ] {
            let event = Outgoing::from_args(JsonArgs::new(json, vec![]));
            assert_eq!(event.ends_in_a_string(), is_string, "{json}");
        }
    }
}
