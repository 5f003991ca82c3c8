//! The cases; those that cost the same in every run and together touch every step of an event and of a broadcast.

use std::hint::black_box;

use bench_delivery::{InMemory, Turn, WebSockets};
use bench_parsers::engineio;
use bench_parsers::socketio::{self, Chat, Files, NAMESPACE_AND_ID, PLAIN};
use socketio_adapter::BroadcastOptions;
use socketio_parser::{EventHeader, Value};

/// What is counted under a name.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How often it is run: what a growing buffer costs once has no weight then.
    pub(crate) n: u64,
    /// Sets it up and runs it so often.
    pub(crate) run: fn(u64),
}

const fn case(name: &'static str, n: u64, run: fn(u64)) -> Case {
    Case { name, n, run }
}

const CLIENTS: usize = 1000;

pub(crate) const CASES: &[Case] = &[
    case("packet/decode", 5000, |n| repeat(n, engineio::decode_text_to_owned())),
    case("payload/decode_16", 1000, |n| repeat(n, engineio::decode_payload())),
    case("payload/encode_16", 1000, |n| repeat(n, engineio::encode_payload())),
    case("event/decode_to_struct", 2000, |n| repeat(n, socketio::decode::<Chat>(PLAIN))),
    case("event/decode_to_value", 2000, |n| repeat(n, socketio::decode::<Value>(PLAIN))),
    case("event/encode", 2000, |n| repeat(n, socketio::encode(EventHeader::new("/", "message")))),
    case("event_in_namespace/decode_to_struct", 2000, |n| {
        repeat(n, socketio::decode::<Chat>(NAMESPACE_AND_ID))
    }),
    case("event_in_namespace/encode", 2000, |n| {
        repeat(n, socketio::encode(EventHeader::new("/admin", "message").id(17)));
    }),
    case("attachments/decode_to_struct", 2000, |n| repeat(n, socketio::decode_binary::<Files>())),
    case("attachments/encode", 2000, |n| repeat(n, socketio::encode_binary())),
    case("session/event", 1000, |n| session(n, &Turn::event())),
    case("session/event_with_ack", 1000, |n| session(n, &Turn::event_with_ack())),
    case("session/16_events", 200, |n| session(n, &Turn::sixteen_events())),
    case("session/64k_string", 50, |n| session(n, &Turn::long_event())),
    case("session/1k_attachment", 1000, |n| session(n, &Turn::attachment())),
    case("websocket/16_events", 200, |n| {
        let sockets = WebSockets::connect(1);
        repeat(n, sockets.turn(&Turn::sixteen_events()));
    }),
    case("broadcast/emit_to_all_1000", 50, |n| {
        let memory = InMemory::connect(CLIENTS);
        repeat(n, || memory.emit());
    }),
    case("broadcast/emit_to_room_of_1000", 50, |n| {
        let memory = InMemory::connect(CLIENTS);
        repeat(n, || memory.emit_to_room());
    }),
    case("broadcast/emit_to_1000_websockets", 20, |n| {
        let sockets = WebSockets::connect(CLIENTS);
        repeat(n, || sockets.emit());
    }),
    // Tables hash with a random seed: only many rooms together cost the same in every run.
    case("rooms/join_and_leave_500", 20, |n| {
        let mut index = bench_rooms::table(100);
        repeat(n, bench_rooms::churn(&mut index, bench_rooms::names(500)));
    }),
    case("rooms/select_1000", 200, |n| {
        let (index, [a, _]) = bench_rooms::two_rooms(1000);
        repeat(n, bench_rooms::select(&index, BroadcastOptions::new().to(a)));
    }),
];

fn session(n: u64, turn: &Turn) {
    let mut memory = InMemory::connect(1);
    repeat(n, || memory.turn(turn));
}

fn repeat<T>(n: u64, mut run: impl FnMut() -> T) {
    for _ in 0..n {
        black_box(run());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_runs() {
        for case in CASES {
            (case.run)(1);
        }
    }

    #[test]
    fn no_two_cases_share_a_name() {
        let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
    }
}
