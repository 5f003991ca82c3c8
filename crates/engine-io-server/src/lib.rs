#![doc = include_str!("../README.md")]

mod body;
mod close;
pub mod coding;
mod compression;
mod config;
mod cors;
mod error;
mod handle;
mod handler;
mod id;
mod listen;
mod origin;
mod request;
mod server;
mod service;
mod session;
mod sync;
mod transport;

pub use body::Body;
pub use close::CloseReason;
pub use compression::HttpCompression;
pub use config::{Config, Forbidden};
pub use cors::{Cors, CorsHeaders};
pub use engine_io_parser::{Message, SharedFrame, Text};
pub use error::ConfigError;
pub use handle::{SendError, Session, Wake};
pub use handler::{Flow, Handler, Incoming, SessionHandler};
pub use id::{NoEntropy, SessionId, random_id};
pub use origin::Origins;
pub use request::HandshakeRequest;
pub use server::{Engine, PeerAddr};
pub use service::{EitherBody, EngineLayer, EngineLayered, EngineService};
pub use session::Transport;
pub use transport::websocket::WebSocketUpgrade;
