//! Two adapters at work, with nothing but the public API: the in-memory one, and a cluster over channels.

mod channel_adapter;
mod in_memory;
mod node;
mod two_nodes;
