//! Reading from a stream into a buffer, with a deadline.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wait;

/// Reads once into `buffer`; false at the end of the stream.
///
/// A connection that was reset has ended too: a server that refuses input may close before it has read all of it.
pub(crate) async fn read_more(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    what: &str,
) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    match wait::soon(what, stream.read_buf(buffer)).await {
        Ok(n) => n > 0,
        Err(error) if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) => false,
        Err(error) => panic!("while waiting for {what}: {error}"),
    }
}
