//! How a client comes into a namespace.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::client::TestClient;
use crate::error::Refused;
use crate::failure::{chain, fail};
use crate::inbox::Phase;
use crate::wire::Lifeline;

/// Joins a namespace over a connection.
pub(crate) async fn join(
    lifeline: &Arc<Lifeline>,
    namespace: &str,
    auth: Option<&Value>,
    deadline: Duration,
    caller: &'static Location<'static>,
) -> Result<TestClient, Refused> {
    let wire = &lifeline.0;
    let packet = match wire.parser.encode_connect(namespace, auth) {
        Ok(packet) => packet,
        Err(error) => fail(caller, format_args!("{namespace} can't be joined: {}", chain(&error))),
    };
    if let Some(reason) = wire.link.end() {
        fail(caller, format_args!("{namespace} can't be joined, the connection is closed: {reason}"));
    }
    let Some(inbox) = wire.enter(namespace) else {
        fail(caller, format_args!("the client is in {namespace} already"));
    };
    wire.send(&packet);
    let decided = inbox.wait(deadline, |state| match &state.phase {
        Phase::Joining => state.fault.take().map(Decision::Failed),
        Phase::Joined { id } => Some(Decision::Joined(Arc::clone(id))),
        Phase::Refused(payload) => Some(match Refused::new(payload.clone()) {
            Ok(refused) => Decision::Refused(refused),
            Err(error) => Decision::Failed(format!("the refusal can't be read: {}", chain(&error))),
        }),
        Phase::Left { reason, .. } => Some(Decision::Failed(format!("the connection is closed: {reason}"))),
    });
    match decided.await {
        Some(Decision::Joined(id)) => Ok(TestClient::new(Arc::clone(lifeline), inbox, id, deadline, caller)),
        Some(Decision::Refused(refused)) => Err(refused),
        Some(Decision::Failed(why)) => fail(caller, format_args!("{namespace} was not joined: {why}")),
        None => fail(caller, format_args!("{namespace} was not joined: no answer within {deadline:?}")),
    }
}

enum Decision {
    Joined(Arc<str>),
    Refused(Refused),
    Failed(String),
}
