//! Answers of a cluster: what came, and who did not answer.

use crate::{AdapterError, JsonArgs, NodeId, SocketId, SocketSnapshot};

/// The nodes that were asked and did not answer.
///
/// Some engines know only how many nodes there are: then the missing ones have no names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Those whose ids are known.
    pub nodes: Vec<NodeId>,
    /// How many more there are.
    pub n_unnamed: usize,
}

/// The sockets found by [`Adapter::fetch_sockets`](crate::Adapter::fetch_sockets).
///
/// A part of the answer is an answer: what came in time is here, with the nodes that are missing from it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Fetched {
    /// The sockets, those of this node first.
    pub sockets: Vec<SocketSnapshot>,
    /// The nodes that did not answer.
    pub missing: Missing,
    /// Why nodes could not be asked.
    pub error: Option<AdapterError>,
}

/// The ids found by [`Adapter::socket_ids`](crate::Adapter::socket_ids).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FetchedIds {
    /// The public ids of the sockets, those of this node first.
    pub ids: Vec<SocketId>,
    /// The nodes that did not answer.
    pub missing: Missing,
    /// Why nodes could not be asked.
    pub error: Option<AdapterError>,
}

/// One node's answer to an event between servers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Who answered, if the engine says.
    pub node: Option<NodeId>,
    /// The arguments of its ack.
    pub args: JsonArgs,
}

/// The answers to [`Adapter::server_side_emit_with_ack`](crate::Adapter::server_side_emit_with_ack).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Replies {
    /// The answers in the order of their arrival.
    pub replies: Vec<Reply>,
    /// The nodes that did not answer.
    pub missing: Missing,
    /// Why nodes could not be asked.
    pub error: Option<AdapterError>,
}

impl Missing {
    /// How many nodes did not answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len() + self.n_unnamed
    }

    /// Adds those that another answer lacks; a node is named once.
    pub fn merge(&mut self, other: Self) {
        self.n_unnamed = self.n_unnamed.max(other.n_unnamed);
        for node in other.nodes {
            if !self.nodes.contains(&node) {
                self.nodes.push(node);
            }
        }
    }

    /// Whether every node answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<NodeId> for Missing {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        Self { nodes: nodes.into_iter().collect(), n_unnamed: 0 }
    }
}

impl Reply {
    /// An answer, and who gave it.
    #[must_use]
    pub fn new(node: Option<NodeId>, args: JsonArgs) -> Self {
        Self { node, args }
    }
}

impl Fetched {
    /// A complete answer.
    #[must_use]
    pub fn new(sockets: Vec<SocketSnapshot>) -> Self {
        Self { sockets, ..Self::default() }
    }
}

impl FetchedIds {
    /// A complete answer.
    #[must_use]
    pub fn new(ids: Vec<SocketId>) -> Self {
        Self { ids, ..Self::default() }
    }
}

/// Forgets all of the sockets but their ids.
impl From<Fetched> for FetchedIds {
    fn from(Fetched { sockets, missing, error }: Fetched) -> Self {
        Self { ids: sockets.into_iter().map(|socket| socket.id).collect(), missing, error }
    }
}

impl Replies {
    /// A complete answer.
    #[must_use]
    pub fn new(replies: Vec<Reply>) -> Self {
        Self { replies, ..Self::default() }
    }
}
