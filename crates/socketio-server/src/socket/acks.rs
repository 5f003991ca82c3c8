//! Answers of a client that are waited for.

use std::sync::Arc;

use hashbrown::HashMap;
use socketio_adapter as adapter;
use socketio_adapter::PendingAck;
use socketio_parser::Args;
use tokio::sync::oneshot;

use crate::interchange::ack_to_json;

/// Who waits for which answer. Each leaves the table exactly once: with an answer, by giving up, or when the socket
/// leaves.
#[derive(Debug, Default)]
pub(crate) struct AckTable {
    waiting: HashMap<u64, Waiting>,
    is_closed: bool,
}

#[derive(Debug)]
enum Waiting {
    /// A future of this node; dropping the sender tells it that the client has left.
    Future(oneshot::Sender<Args>),
    /// A broadcast, perhaps of another node.
    Broadcast(PendingAck, OpenWait),
}

/// Held by each wait of one broadcast: when the last of them ends, however it does, the receiver hears of it.
pub(crate) type OpenWait = Arc<oneshot::Sender<()>>;

/// Why an answer cannot be waited for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Closed,
    Full,
}

impl AckTable {
    /// Waits for the answer with this id, unless `max` answers are waited for already.
    pub(crate) fn expect(&mut self, id: u64, max: usize) -> Result<oneshot::Receiver<Args>, Refused> {
        self.check(max)?;
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(id, Waiting::Future(sender));
        Ok(receiver)
    }

    /// Waits for the answer with this id on behalf of a broadcast; hands the duty to tell back if it cannot.
    pub(crate) fn expect_for_broadcast(
        &mut self,
        id: u64,
        ack: PendingAck,
        open: &OpenWait,
        max: usize,
    ) -> Result<(), (Refused, PendingAck)> {
        if let Err(refused) = self.check(max) {
            return Err((refused, ack));
        }
        self.waiting.insert(id, Waiting::Broadcast(ack, Arc::clone(open)));
        Ok(())
    }

    /// The client has answered. What to do about it must be done without the lock; `None` is an unknown id, which is
    /// ignored as by the official server: the answer may just be late.
    #[must_use]
    pub(crate) fn take(&mut self, id: u64) -> Option<Answered> {
        let answered = self.waiting.remove(&id);
        if self.waiting.is_empty() && self.waiting.capacity() > MAX_KEPT {
            self.waiting = HashMap::new();
        }
        answered.map(Answered)
    }

    /// The socket has left: nothing is waited for any more, now or later. Dropping the value tells those who wait.
    #[must_use]
    pub(crate) fn close(&mut self) -> impl Sized + use<> {
        self.is_closed = true;
        std::mem::take(&mut self.waiting)
    }

    fn check(&self, max: usize) -> Result<(), Refused> {
        match self.waiting.len() {
            _ if self.is_closed => Err(Refused::Closed),
            len if len >= max => Err(Refused::Full),
            _ => Ok(()),
        }
    }
}

/// How many places an empty table keeps.
const MAX_KEPT: usize = 64;

/// An answer that was waited for.
#[derive(Debug)]
pub(crate) struct Answered(Waiting);

impl Answered {
    pub(crate) fn resolve(self, args: Args) {
        match self.0 {
            // Whoever waited may have gone.
            Waiting::Future(sender) => drop(sender.send(args)),
            Waiting::Broadcast(ack, open) => {
                ack.resolve(ack_to_json(&args).map_err(|error| {
                    tracing::debug!(target: "socket.io:socket", %error, "an answer has no form in JSON");
                    // To whoever waits it is as if there were none.
                    adapter::AckError::Timeout
                }));
                drop(open);
            }
        }
    }

    /// Ends the wait of a broadcast without an answer.
    pub(crate) fn fail(self, error: adapter::AckError) {
        if let Waiting::Broadcast(ack, open) = self.0 {
            ack.resolve(Err(error));
            drop(open);
        }
    }
}

#[cfg(test)]
mod tests {
    use socketio_adapter::{AckStream, SocketId};
    use socketio_parser::{Decoder, Limits, Packet};

    use super::*;

    fn args(json: &str) -> Args {
        let packet = Decoder::new(Limits::default()).decode_text(format!("31{json}").as_str().into());
        match packet.unwrap() {
            Some(Packet::Ack { args, .. }) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_given_once() {
        let mut table = AckTable::default();
        let mut receiver = table.expect(1, 8).unwrap();
        table.take(1).unwrap().resolve(args("[5]"));
        assert!(table.take(1).is_none());
        assert_eq!(receiver.try_recv().unwrap().get::<u8>().unwrap(), 5);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = AckTable::default();
        let _receivers = [table.expect(1, 2).unwrap(), table.expect(2, 2).unwrap()];
        assert_eq!(table.expect(3, 2).unwrap_err(), Refused::Full);
        assert!(table.take(1).is_some());
        assert!(table.expect(3, 2).is_ok());
    }

    #[test]
    fn closing_tells_all_who_wait_and_takes_no_more() {
        let mut table = AckTable::default();
        let mut receiver = table.expect(1, 8).unwrap();
        drop(table.close());
        assert_eq!(receiver.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        assert_eq!(table.expect(2, 8).unwrap_err(), Refused::Closed);
    }

    #[tokio::test]
    async fn a_broadcast_gets_the_arguments_as_json() {
        let (sink, mut stream) = AckStream::channel();
        let mut table = AckTable::default();
        let (open, mut ended) = oneshot::channel();
        let open = Arc::new(open);
        table.expect_for_broadcast(1, sink.asked(SocketId::from("a")), &open, 2).unwrap();
        table.expect_for_broadcast(2, sink.asked(SocketId::from("b")), &open, 2).unwrap();
        let refused = table.expect_for_broadcast(3, sink.asked(SocketId::from("c")), &open, 2);
        drop(open);
        assert_eq!(refused.map_err(|(refused, _)| refused), Err(Refused::Full));
        table.take(1).unwrap().resolve(args(r#"[ 1 , "x"]"#));
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        table.take(2).unwrap().fail(adapter::AckError::Timeout);
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(stream.next().await.unwrap().socket, Some("c".into()));
        let answers = [stream.next().await.unwrap(), stream.next().await.unwrap()];
        assert_eq!(answers[0].result, Ok(adapter::JsonArgs::new(r#"[1,"x"]"#, vec![])));
        assert_eq!(answers[1].result, Err(adapter::AckError::Timeout));
    }
}
