//! The files themselves, and where they come from.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use engine_io_server::coding::{Coding, Effort};
use http::HeaderValue;

use super::error::ClientFilesError;
use super::once::Once;

/// The JavaScript client in one version: up to four builds, each with a source map. A clone is one pointer.
///
/// The files stay in memory (1.2 MB if all are there), and so does each compressed form that a browser has asked for
/// (together less than that).
///
/// ```
/// use socketio_server::{ClientFiles, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a program of one file: include_bytes!("socket.io.min.js")
/// # let script: &[u8] = b"";
/// let files = ClientFiles::from_bytes("4.8.1", [("socket.io.min.js", script)])?;
/// let io = Server::builder().client_files(files).build()?;
/// # let _ = io;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientFiles(Arc<Inner>);

struct Inner {
    version: String,
    etag: HeaderValue,
    files: [Option<File>; N_NAMES],
}

struct File {
    plain: Bytes,
    compressed: [Once<Bytes>; Coding::ALL.len()],
}

impl ClientFiles {
    /// Reads the files of a folder: `client-dist` of npm's package `socket.io`, `dist` of `socket.io-client`, or a copy.
    ///
    /// The version is that of the package, or else stands at the top of the files. It blocks while it reads; files that
    /// change afterwards are not read again.
    ///
    /// # Errors
    ///
    /// [`ClientFilesError`] if there are no such files, if they cannot be read, or if no version is found.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ClientFilesError> {
        let dir = dir.as_ref();
        let mut files = Vec::with_capacity(N_NAMES);
        for name in NAMES {
            let path = dir.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => files.push((name, Bytes::from(bytes))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(ClientFilesError::Read { path, source }),
            }
        }
        if files.is_empty() {
            return Err(ClientFilesError::NoFile { dir: dir.to_owned() });
        }
        let version = version_of_package(dir).or_else(|| files.iter().find_map(|(_, file)| version_in(file)));
        let Some(version) = version else {
            return Err(ClientFilesError::NoVersion { dir: dir.to_owned() });
        };
        Self::from_bytes(&version, files)
    }

    /// The client in this version, as pairs of a file's name (`socket.io.min.js`) and its content. Those that are
    /// missing are answered 404.
    ///
    /// # Errors
    ///
    /// [`ClientFilesError`] if the client has no file of such a name, or if this is no version.
    pub fn from_bytes<N, B>(
        version: &str,
        files: impl IntoIterator<Item = (N, B)>,
    ) -> Result<Self, ClientFilesError>
    where
        N: AsRef<str>,
        B: Into<Bytes>,
    {
        let invalid = || ClientFilesError::InvalidVersion { version: version.to_owned() };
        let is_version = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b'_');
        if version.is_empty() || !version.bytes().all(is_version) {
            return Err(invalid());
        }
        let etag = HeaderValue::try_from(format!("\"{version}\"")).map_err(|_| invalid())?;
        let mut slots = [const { None }; N_NAMES];
        for (name, content) in files {
            let name = name.as_ref();
            let Name(idx) =
                Name::of(name).ok_or_else(|| ClientFilesError::UnknownName { name: name.to_owned() })?;
            slots[idx] = Some(File { plain: content.into(), compressed: Default::default() });
        }
        Ok(Self(Arc::new(Inner { version: version.to_owned(), etag, files: slots })))
    }

    /// The client's version, which browsers compare with that of their copy.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// What npm has installed in the working directory or above it, where Node looks for it too. It blocks.
    pub(super) fn installed() -> Option<Self> {
        let here = std::env::current_dir().ok()?;
        let found = Self::installed_at(&here);
        match &found {
            Some(files) => {
                tracing::debug!(target: "socket.io:server", version = files.version(), "client files found");
            }
            None => {
                tracing::warn!(target: "socket.io:server", dir = %here.display(), "no client files in node_modules, see `serve_client`");
            }
        }
        found
    }

    fn installed_at(start: &Path) -> Option<Self> {
        let folders = start.ancestors().flat_map(|dir| PACKAGES.map(|package| dir.join(package)));
        folders.filter(|dir| dir.is_dir()).find_map(|dir| match Self::from_dir(&dir) {
            Ok(files) => Some(files),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                tracing::warn!(target: "socket.io:server", %error, cause, "client files not used");
                None
            }
        })
    }

    pub(super) fn etag(&self) -> &HeaderValue {
        &self.0.etag
    }

    /// A file as it is, if there is one of that name.
    pub(super) fn plain(&self, name: Name) -> Option<Bytes> {
        self.0.files[name.0].as_ref().map(|file| file.plain.clone())
    }

    /// A file in a coding, compressed if it was not before, on a thread for such work.
    pub(super) async fn compressed(&self, name: Name, coding: Coding) -> Option<Bytes> {
        let file = self.0.files[name.0].as_ref()?;
        let plain = file.plain.clone();
        // Writing to memory does not fail; if it did, the file would go out as it is.
        file.compressed[coding as usize].get(move || coding.compress(&plain, Effort::Best).ok()).await
    }
}

impl fmt::Debug for ClientFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFiles").field("version", &self.version()).finish_non_exhaustive()
    }
}

/// The name of one of the client's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name(usize);

impl Name {
    pub(super) fn of(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(Self)
    }

    pub(super) fn content_type(self) -> &'static str {
        if NAMES[self.0].ends_with(".map") {
            "application/json; charset=utf-8"
        } else {
            "application/javascript; charset=utf-8"
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES[self.0])
    }
}

/// The version in the `package.json` that npm puts beside the folder. That of some other package says nothing.
fn version_of_package(dir: &Path) -> Option<String> {
    let text = std::fs::read(dir.parent()?.join("package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let is_client = matches!(package["name"].as_str(), Some("socket.io" | "socket.io-client"));
    package["version"].as_str().filter(|_| is_client).map(str::to_owned)
}

/// The version in the comment at the top of a build.
fn version_in(file: &[u8]) -> Option<String> {
    let top = String::from_utf8_lossy(&file[..file.len().min(TOP)]).into_owned();
    let (_, version) = top.split_once("Socket.IO v")?;
    version.split_whitespace().next().map(str::to_owned)
}

const NAMES: [&str; N_NAMES] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];
const N_NAMES: usize = 8;

/// Where npm puts them.
const PACKAGES: [&str; 2] = ["node_modules/socket.io/client-dist", "node_modules/socket.io-client/dist"];

/// How much of a file is searched for its version.
const TOP: usize = 256;
