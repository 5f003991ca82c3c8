//! The JavaScript client, as browsers get it from the server.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::routing::get;
use socketio_server::{Builder, ClientFiles, ClientFilesError, Origins, Server};
use test_support::http::{HttpConnection, Request, Response, send};
use test_support::polling::Polling;
use tokio::net::TcpListener;

const NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

const UNKNOWN: &str = r#"{"code":0,"message":"Transport unknown"}"#;

/// What stands in the file of that name: something else in each, and long enough to be compressed.
fn content(name: &str) -> String {
    format!("/* {name} */\n{}", "socket.emit('hello');\n".repeat(500))
}

fn files() -> ClientFiles {
    ClientFiles::from_bytes("4.8.1", NAMES.map(|name| (name, content(name)))).unwrap()
}

fn builder() -> Builder {
    Server::builder().client_files(files())
}

/// The server in each form that there is: on its own, as a layer and as a service in a server of axum.
async fn in_all_forms(builder: impl Fn() -> Builder) -> Vec<SocketAddr> {
    let page = Router::new().route("/", get(async || "the page"));
    let apps = [
        None,
        Some(page.layer(builder().build().unwrap().layer())),
        Some(Router::new().fallback_service(builder().build().unwrap().service())),
    ];
    let mut addresses = Vec::new();
    for app in apps {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        match app {
            Some(app) => drop(tokio::spawn(async move { axum::serve(listener, app).await })),
            None => {
                let io = builder().build().unwrap();
                tokio::spawn(async move { io.serve(listener).await });
            }
        }
    }
    addresses
}

async fn one(builder: Builder) -> SocketAddr {
    let io = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { io.serve(listener).await });
    address
}

async fn get_file(address: SocketAddr, name: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(&format!("/socket.io/{name}"));
    for (header, value) in headers {
        request = request.more_header(header, value);
    }
    send(address, request).await
}

fn decompressed(response: &Response) -> String {
    let body = &response.body[..];
    let mut reader: Box<dyn Read> = match response.header("content-encoding") {
        Some("br") => Box::new(brotli::Decompressor::new(body, 4096)),
        Some("gzip") => Box::new(flate2::read::GzDecoder::new(body)),
        Some("deflate") => Box::new(flate2::read::ZlibDecoder::new(body)),
        other => {
            assert_eq!(other, None);
            Box::new(body)
        }
    };
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn all_builds_and_their_maps_are_served() {
    for address in in_all_forms(builder).await {
        for name in NAMES {
            let response = get_file(address, name, &[]).await;
            response.is(200, &content(name));
            let kind = if name.ends_with("map") { "json" } else { "javascript" };
            for (header, value) in [
                ("content-type", Some(format!("application/{kind}; charset=utf-8"))),
                ("content-length", Some(content(name).len().to_string())),
                ("etag", Some("\"4.8.1\"".to_owned())),
                ("cache-control", Some("public, max-age=0".to_owned())),
                ("vary", Some("accept-encoding".to_owned())),
                ("content-encoding", None),
                ("x-sourcemap", None),
            ] {
                assert_eq!(response.header(header), value.as_deref(), "{header} of {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_query_makes_no_difference() {
    for address in in_all_forms(builder).await {
        for query in ["?buster=1", "?EIO=4&transport=polling", "?"] {
            let response = get_file(address, &format!("socket.io.js{query}"), &[]).await;
            response.is(200, &content("socket.io.js"));
        }
    }
}

#[tokio::test]
async fn other_names_and_methods_are_the_engines() {
    for address in in_all_forms(builder).await {
        for name in [
            "socket.io.esm.js",
            "socket.io.msgpack.js",
            "socket.io.min.js.map.map",
            "socket.io.JS",
            "socket.io.js/",
            "/socket.io.js",
            "x/socket.io.js",
            "../socket.io.js",
            "%73ocket.io.js",
            "package.json",
        ] {
            get_file(address, name, &[]).await.is(400, UNKNOWN);
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            send(address, Request::new(method, "/socket.io/socket.io.js")).await.is(400, UNKNOWN);
        }
        // What is not below the path at all is not ours.
        for path in ["/socket.io.js", "/abcdefghij/socket.io.js", "/socket.io-x/socket.io.js"] {
            assert_eq!(send(address, Request::get(path)).await.status, 404, "{path}");
        }
        Polling::open(address, "/socket.io/").await;
    }
}

#[tokio::test]
async fn serve_client_can_be_switched_off() {
    for address in in_all_forms(|| builder().serve_client(false)).await {
        for name in NAMES {
            get_file(address, name, &[]).await.is(400, UNKNOWN);
        }
    }
    assert!(!builder().serve_client(false).build().unwrap().serve_client());
    assert!(builder().build().unwrap().serve_client(), "it is on by default");
}

#[tokio::test]
async fn the_files_lie_below_the_servers_own_path() {
    for path in ["/custom", "/custom/", "/a/b"] {
        let at = path.trim_end_matches('/');
        for address in in_all_forms(|| builder().path(path)).await {
            let own = send(address, Request::get(&format!("{at}/socket.io.min.js"))).await;
            own.is(200, &content("socket.io.min.js"));
            assert_eq!(send(address, Request::get("/socket.io/socket.io.min.js")).await.status, 404);
        }
        assert_eq!(builder().path(path).build().unwrap().path(), at);
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    for address in in_all_forms(builder).await {
        // One connection: a body would be taken for the start of the next answer.
        let mut connection = HttpConnection::open(address).await;
        for coding in ["", "gzip"] {
            let request =
                |method| Request::new(method, "/socket.io/socket.io.js").header("accept-encoding", coding);
            let mut head = connection.exchange(request("HEAD")).await;
            let mut get = connection.exchange(request("GET")).await;
            assert_eq!((head.status, head.body.len()), (200, 0));
            for response in [&mut head, &mut get] {
                response.headers.retain(|(name, _)| name != "date");
            }
            assert_eq!(head.headers, get.headers);
            assert_eq!(get.header("content-length"), Some(&*get.body.len().to_string()));
        }
    }
}

#[tokio::test]
async fn a_browser_that_has_this_version_gets_no_second_copy() {
    for address in in_all_forms(builder).await {
        for known in [r#""4.8.1""#, r#"W/"4.8.1""#, r#""4.7.5", "4.8.1""#, r#""4.7.5" ,W/"4.8.1" , "x""#, "*"]
        {
            let mut connection = HttpConnection::open(address).await;
            for method in ["GET", "HEAD"] {
                let request = Request::new(method, "/socket.io/socket.io.js");
                let response = connection.exchange(request.header("if-none-match", known)).await;
                response.is(304, "");
                assert_eq!(response.header("etag"), Some("\"4.8.1\""), "{known}");
                assert_eq!(response.header("cache-control"), Some("public, max-age=0"));
                assert_eq!(response.header("content-type"), None);
            }
        }
        let two = [("if-none-match", "\"4.7.5\""), ("if-none-match", "\"4.8.1\"")];
        get_file(address, "socket.io.js", &two).await.is(304, "");
        for other in [r#""4.8.2""#, "4.8.1", r#""4.8.1"#, r#"w/"4.8.1""#, r#""4.8.10""#, ""] {
            let response = get_file(address, "socket.io.js", &[("if-none-match", other)]).await;
            response.is(200, &content("socket.io.js"));
        }
    }
}

#[tokio::test]
async fn files_come_in_the_coding_that_the_browser_likes_best() {
    for address in in_all_forms(builder).await {
        for (accepted, coding) in [
            ("gzip,br,deflate", Some("gzip")),
            ("br", Some("br")),
            ("deflate", Some("deflate")),
            ("gzip;q=0.5, br;q=0.8", Some("br")),
            ("gzip;q=0", None),
            ("identity", None),
        ] {
            for name in ["socket.io.js", "socket.io.min.js.map"] {
                let response = get_file(address, name, &[("accept-encoding", accepted)]).await;
                assert_eq!((response.status, response.header("content-encoding")), (200, coding));
                assert_eq!(response.header("content-length"), Some(&*response.body.len().to_string()));
                assert_eq!(response.header("etag"), Some("\"4.8.1\""));
                assert_eq!(response.header("vary"), Some("accept-encoding"));
                assert!(coding.is_none() || response.body.len() < content(name).len() / 2);
                assert_eq!(decompressed(&response), content(name), "{accepted}");
            }
        }
    }
}

#[tokio::test]
async fn first_requests_at_the_same_time_get_the_same_file() {
    let address = one(builder()).await;
    let ask = || get_file(address, "socket.io.js", &[("accept-encoding", "br")]);
    let (a, b, c) = tokio::join!(ask(), ask(), ask());
    for response in [&a, &b, &c] {
        assert_eq!(response.header("content-encoding"), Some("br"));
        assert_eq!(decompressed(response), content("socket.io.js"));
    }
}

#[tokio::test]
async fn a_request_that_is_broken_off_does_no_harm() {
    let address = one(builder()).await;
    for _ in 0..20 {
        let mut connection = HttpConnection::open(address).await;
        let request = Request::get("/socket.io/socket.io.js").header("accept-encoding", "br");
        connection.write(&request.to_bytes()).await;
        connection.reset();
    }
    let response = get_file(address, "socket.io.js", &[("accept-encoding", "br")]).await;
    assert_eq!(decompressed(&response), content("socket.io.js"));
}

#[tokio::test]
async fn the_rule_about_origins_is_that_of_the_engine() {
    let listed = || builder().origins(Origins::list(["https://good.example"]));
    for address in in_all_forms(listed).await {
        for (origin, status) in
            [("https://good.example", 200), ("http://127.0.0.1", 200), ("https://evil.example", 403)]
        {
            let file = get_file(address, "socket.io.esm.min.js", &[("origin", origin)]).await;
            let poll = get_file(address, "?EIO=4&transport=polling", &[("origin", origin)]).await;
            assert_eq!((file.status, poll.status), (status, status), "{origin}");
            if status == 403 {
                assert_eq!((file.text(), file.header("vary")), (poll.text(), Some("Origin")));
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_was_not_given_is_not_found() {
    let files = || ClientFiles::from_bytes("1.0.0-rc.1", [("socket.io.min.js", "script")]).unwrap();
    for address in in_all_forms(|| Server::builder().client_files(files())).await {
        let given = get_file(address, "socket.io.min.js", &[]).await;
        given.is(200, "script");
        assert_eq!(given.header("etag"), Some("\"1.0.0-rc.1\""));
        for known in ["*", "\"1.0.0-rc.1\""] {
            let missing = get_file(address, "socket.io.js", &[("if-none-match", known)]).await;
            missing.is(404, "socket.io.js is not among the client files of this server.\n");
            assert_eq!(missing.header("content-type"), Some("text/plain; charset=utf-8"));
            assert_eq!(missing.header("cache-control"), Some("no-store"));
        }
    }
}

/// A folder of its own for a test, with these files in it.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("client_files").join(name);
    let _was_not_there = fs::remove_dir_all(&folder);
    for (file, content) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

const BANNER: &str = "/*!\n * Socket.IO v4.7.5\n * (c) 2014-2024 Guillermo Rauch\n */\nlet x;";

#[tokio::test]
async fn a_folder_of_npm_has_its_packages_version() {
    let package = r#"{"name":"socket.io-client","version":"4.8.4"}"#;
    let dir = folder("npm", &[("package.json", package), ("dist/socket.io.js", BANNER)]);
    let files = ClientFiles::from_dir(dir.join("dist")).unwrap();
    assert_eq!(files.version(), "4.8.4");
    let address = one(Server::builder().client_files(files)).await;
    // Everything was read: what happens to the folder now does not matter.
    fs::remove_dir_all(dir).unwrap();
    let response = get_file(address, "socket.io.js", &[]).await;
    response.is(200, BANNER);
    assert_eq!(response.header("etag"), Some("\"4.8.4\""));
}

#[test]
fn a_copied_folder_has_the_version_that_the_files_state() {
    let package = r#"{"name":"shop","version":"0.3.0"}"#;
    for (case, files) in [
        ("bare", &[("public/socket.io.min.js", BANNER)][..]),
        ("in_another_package", &[("package.json", package), ("public/socket.io.min.js", BANNER)]),
        ("broken_package", &[("package.json", "{"), ("public/socket.io.min.js", BANNER)]),
        ("map_first", &[("public/socket.io.js.map", "{}"), ("public/socket.io.min.js", BANNER)]),
    ] {
        let files = ClientFiles::from_dir(folder(case, files).join("public")).unwrap();
        assert_eq!(files.version(), "4.7.5", "{case}");
    }
}

#[test]
fn what_is_no_client_is_refused_with_a_reason() {
    let dir = folder("none", &[("public/index.html", "")]);
    for dir in [dir.join("public"), dir.join("nowhere")] {
        let error = ClientFiles::from_dir(&dir).unwrap_err();
        assert!(matches!(&error, ClientFilesError::NoFile { dir: named } if *named == dir), "{error:?}");
    }
    let dir = folder("no_version", &[("public/socket.io.js", "let x;")]);
    let error = ClientFiles::from_dir(dir.join("public")).unwrap_err();
    assert!(matches!(error, ClientFilesError::NoVersion { .. }), "{error:?}");

    let dir = folder("not_a_file", &[("public/socket.io.js/x", "")]);
    let error = ClientFiles::from_dir(dir.join("public")).unwrap_err();
    assert!(matches!(error, ClientFilesError::Read { .. }), "{error:?}");

    let error = ClientFiles::from_bytes("4.8.1", [("socket.io.esm.js", "")]).unwrap_err();
    assert!(matches!(&error, ClientFilesError::UnknownName { name } if name == "socket.io.esm.js"));
    for version in ["", "4 8", "\"4\"", "4,8", "4\r\nx: y", "é"] {
        let error = ClientFiles::from_bytes(version, [("socket.io.js", "")]).unwrap_err();
        assert!(matches!(error, ClientFilesError::InvalidVersion { .. }), "{version:?}: {error:?}");
    }
}
