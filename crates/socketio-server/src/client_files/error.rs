//! Why there are no client files.

use std::io;
use std::path::PathBuf;

/// Why a folder, or what else was given, does not serve as [`ClientFiles`](crate::ClientFiles).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFilesError {
    /// None of the client's files is in the folder.
    #[error("there is no socket.io*.js in {}", dir.display())]
    NoFile {
        /// The folder as given.
        dir: PathBuf,
    },
    /// A file is there but cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Neither a `package.json` above the folder nor the first lines of a file tell the client's version.
    #[error("no version of the client is stated in {}", dir.display())]
    NoVersion {
        /// The folder as given.
        dir: PathBuf,
    },
    /// The version has other characters than letters, digits, `.`, `-`, `+` and `_`, or none.
    #[error("{version:?} is not a version")]
    InvalidVersion {
        /// The version as given or found.
        version: String,
    },
    /// The client has no file of this name.
    #[error(
        "{name:?} is not the name of a client file: socket.io.js, .min.js, .esm.min.js, .msgpack.min.js, or one with .map"
    )]
    UnknownName {
        /// The name as given.
        name: String,
    },
}
