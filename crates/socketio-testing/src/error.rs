//! What can go wrong in the application under test, where a test may want it to.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use socketio_parser::{ArgsError, Payload};

/// The server has refused the client: a middleware did, or there is no such namespace.
#[derive(Debug, thiserror::Error)]
#[error("the server refused the client: {message}")]
pub struct Refused {
    message: String,
    payload: Payload,
}

impl Refused {
    /// Reads a refusal as a client does: an object with a message, or the message alone.
    pub(crate) fn new(payload: Payload) -> Result<Self, ArgsError> {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }

        let message = match payload.get::<Refusal>() {
            Ok(refusal) => refusal.message,
            Err(error) => payload.get::<String>().map_err(|_| error)?,
        };
        Ok(Self { message, payload })
    }

    /// The message, `error.message` at a client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the server adds, `error.data` at a client, read as `T`.
    ///
    /// # Errors
    ///
    /// [`ArgsError`] if it does not fit `T`; nothing at all fits an `Option`.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        #[derive(Deserialize)]
        struct Refusal<T> {
            data: T,
        }

        self.payload.get::<Refusal<T>>().map(|refusal| refusal.data)
    }
}
