//! What a namespace says to, and hears from, the other servers of its cluster.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketio_parser::is_reserved_event;

use crate::emit::Emit;
use crate::error::EmitError;
use crate::event::{Handler, Outcome, ServerEventContext, erase_server_event};
use crate::json_args;
use crate::namespace::{Namespace, ServerAcks};

/// Events between servers.
impl Namespace {
    /// Sends an event to the namespace on all *other* servers of the cluster.
    ///
    /// Their [`on_server_side`](Self::on_server_side) handlers hear it; clients never do, nor does this server. Arguments
    /// are as with [`emit`](Self::emit). The value may be dropped, or awaited until the event was published.
    pub fn server_side_emit<T: Serialize>(&self, event: &str, args: T) -> Emit {
        match json_args::of_event(event, &args) {
            Ok(args) => Emit::to_namespace(&self.0, self.0.adapter().server_side_emit(&args), None),
            Err(error) => Emit::failed(&self.0, event, EmitError::Encode(error)),
        }
    }

    /// Sends an event to the namespace on all *other* servers of the cluster, and waits for the answer of each, which
    /// is read as `T`.
    ///
    /// The event is sent when the value is awaited. A server that does not answer within 5 s (see
    /// [`ServerAcks::timeout`]) costs only its own answer, and is named.
    ///
    /// ```
    /// # async fn demo(io: socketio_server::Server) -> Result<(), socketio_server::EmitError> {
    /// let here = io.n_sockets();
    /// let elsewhere = io.server_side_emit_with_ack::<usize>("how many?", ()).await?;
    /// let total: usize = here + elsewhere.values().sum::<usize>();
    /// println!("{total} clients, without those of {:?}", elsewhere.missing.nodes);
    /// # Ok(())
    /// # }
    /// ```
    pub fn server_side_emit_with_ack<T: DeserializeOwned>(
        &self,
        event: &str,
        args: impl Serialize,
    ) -> ServerAcks<T> {
        let args = json_args::of_event(event, &args).map_err(EmitError::Encode);
        ServerAcks::new(&self.0, event, args)
    }

    /// Calls `handler` for each event of this name that another server has sent with
    /// [`server_side_emit`](Self::server_side_emit).
    ///
    /// It takes and returns what the handler of a client's event does, less what belongs to a socket; see
    /// [`Extract`](crate::handler::Extract). A [`Reply`](crate::Reply), or an [`Ack`](crate::Ack) that is sent, answers
    /// the server that asked; of several handlers the first answer counts. Errors are logged.
    ///
    /// Handlers start in the order of arrival, and as many may be running as of a client; events beyond that wait, up to
    /// [`max_parked_bytes`](crate::Builder::max_parked_bytes), and more are dropped with a warning. Events with one of
    /// the names that clients cannot send either, such as `connect`, are never received.
    ///
    /// ```
    /// use socketio_server::{Data, Namespace, Reply};
    ///
    /// fn routes(io: &socketio_server::Server) {
    ///     io.on_server_side("reload", async |Data(file): Data<String>| println!("reload {file}"));
    ///     io.on_server_side("how many?", async |io: Namespace| Reply(io.n_sockets()));
    /// }
    /// ```
    pub fn on_server_side<H, A>(&self, event: impl Into<String>, handler: H) -> &Self
    where
        H: Handler<ServerEventContext, A>,
        H::Output: Outcome<ServerEventContext>,
    {
        let event: Arc<str> = event.into().into();
        if is_reserved_event(&event) {
            tracing::warn!(target: "socket.io:namespace", namespace = self.name(), event = &*event, "a reserved event is never received");
        }
        self.0.register_server_side(&event, &Arc::from(erase_server_event(handler)));
        self
    }
}
