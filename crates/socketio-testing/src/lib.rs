#![doc = include_str!("../README.md")]

mod answer;
mod builder;
mod client;
mod error;
mod event;
mod failure;
mod inbox;
mod join;
mod link;
mod reader;
mod show;
mod sync;
mod turn;
mod uplink;
mod wire;

pub use answer::Answer;
pub use builder::ClientBuilder;
pub use client::TestClient;
pub use error::Refused;
pub use event::Event;
pub use turn::{Turn, settle};
