//! The JavaScript client as both servers hand it out, each from what npm has installed in `tests/js`.

use std::net::SocketAddr;
use std::process::Command;

use interop_tests::reference;
use test_support::http::{self, Request, Response};
use test_support::process::{self, Server};

const BUILDS: [&str; 4] =
    ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"];

/// This project's server, started where Node would find the client too.
fn ours() -> Server {
    let folder = process::workspace().join("tests/js");
    Server::start(Command::new(process::binary("conformance")).arg("socket-io").current_dir(folder))
}

async fn get(server: SocketAddr, file: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(&format!("/socket.io/{file}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    http::send(server, request).await
}

/// Asserts that both servers answer alike, and returns the answer.
async fn same(servers: &[Server; 2], file: &str, headers: &[(&str, &str)]) -> Response {
    let [theirs, ours] = servers;
    let (theirs, ours) =
        (get(theirs.address(), file, headers).await, get(ours.address(), file, headers).await);
    assert_eq!(theirs.status, ours.status, "{file} {headers:?}");
    for header in ["content-type", "content-encoding", "etag"] {
        if header == "etag" && ours.status == 304 {
            // RFC 9110 wants it there; the official server leaves it out.
            continue;
        }
        assert_eq!(theirs.header(header), ours.header(header), "{header} of {file} {headers:?}");
    }
    if ours.header("content-encoding").is_none() {
        assert!(theirs.body == ours.body, "{file}");
    }
    ours
}

#[tokio::test]
async fn both_servers_serve_the_same_client() {
    let servers = [reference("socket-io"), ours()];
    let mut etag = String::new();
    for build in BUILDS {
        for file in [build.to_owned(), format!("{build}.map"), format!("{build}?buster=1")] {
            let response = same(&servers, &file, &[]).await;
            assert_eq!(response.status, 200, "{file}");
            assert_eq!(response.header("cache-control"), Some("public, max-age=0"), "{file}");
            etag = response.header("etag").unwrap_or_default().to_owned();
        }
    }
    for known in [etag.clone(), format!("W/{etag}")] {
        assert_eq!(same(&servers, "socket.io.js", &[("if-none-match", &known)]).await.status, 304);
    }
    assert_eq!(same(&servers, "socket.io.js", &[("if-none-match", "\"0.0.1\"")]).await.status, 200);
    for file in ["socket.io.esm.js", "socket.io-client.js", "socket.io.js/", "package.json"] {
        assert_eq!(same(&servers, file, &[]).await.status, 400, "{file}");
    }
}

#[tokio::test]
async fn both_servers_choose_the_same_coding() {
    let servers = [reference("socket-io"), ours()];
    for (accepted, coding) in [
        ("gzip,br,deflate", Some("gzip")),
        ("br", Some("br")),
        ("deflate, gzip", Some("deflate")),
        ("gzip;q=0.5, br;q=0.8", Some("br")),
        ("gzip;q=0, deflate", Some("deflate")),
        ("*", Some("br")),
        ("br;q=0, *", Some("gzip")),
        ("identity", None),
        ("gzip;q=0", None),
    ] {
        let response = same(&servers, "socket.io.min.js", &[("accept-encoding", accepted)]).await;
        assert_eq!(response.header("content-encoding"), coding, "{accepted}");
    }
}
