//! The JavaScript client that npm has installed, or not. The working directory is that of the process, so only one test
//! may change it at a time.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use socketio_server::Server;
use test_support::http::{Request, Response, send};
use tokio::net::TcpListener;

static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn listen() -> SocketAddr {
    let io = Server::builder().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { io.serve(listener).await });
    address
}

async fn script(address: SocketAddr) -> Response {
    send(address, Request::get("/socket.io/socket.io.js")).await
}

/// Puts a client into a package of `project`.
fn install(project: &Path, package: &str, dist: &str, version: &str) {
    let package_dir = project.join("node_modules").join(package);
    fs::create_dir_all(package_dir.join(dist)).unwrap();
    let about = format!(r#"{{"name":"{package}","version":"{version}"}}"#);
    fs::write(package_dir.join("package.json"), about).unwrap();
    fs::write(package_dir.join(dist).join("socket.io.js"), format!("from {package} {version}")).unwrap();
}

/// An empty project, which no other test uses.
fn project(name: &str) -> PathBuf {
    let project = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("client_files_installed").join(name);
    let _was_not_there = fs::remove_dir_all(&project);
    fs::create_dir_all(project.join("server/src")).unwrap();
    project
}

#[tokio::test]
async fn what_npm_has_installed_here_or_above_is_served() {
    let _alone = ALONE.lock().await;
    let project = project("here_or_above");
    install(&project, "socket.io-client", "dist", "4.8.1");
    std::env::set_current_dir(project.join("server/src")).unwrap();
    let response = script(listen().await).await;
    response.is(200, "from socket.io-client 4.8.1");
    assert_eq!(response.header("etag"), Some("\"4.8.1\""));

    // The server's own copy comes before that of the client, and what is near before what is far.
    install(&project, "socket.io", "client-dist", "4.8.2");
    script(listen().await).await.is(200, "from socket.io 4.8.2");
    install(&project.join("server"), "socket.io-client", "dist", "4.8.3");
    let address = listen().await;
    script(address).await.is(200, "from socket.io-client 4.8.3");

    // It is looked for once.
    fs::remove_dir_all(project.join("server/node_modules")).unwrap();
    script(address).await.is(200, "from socket.io-client 4.8.3");
}

#[tokio::test]
async fn a_folder_that_is_of_no_use_is_passed_over() {
    let _alone = ALONE.lock().await;
    let project = project("passed_over");
    fs::create_dir_all(project.join("server/node_modules/socket.io/client-dist")).unwrap();
    install(&project, "socket.io", "client-dist", "4.8.4");
    std::env::set_current_dir(project.join("server")).unwrap();
    script(listen().await).await.is(200, "from socket.io 4.8.4");
}

#[tokio::test]
async fn if_nothing_is_installed_the_answer_says_what_to_do() {
    let _alone = ALONE.lock().await;
    let top = std::env::current_dir().unwrap().ancestors().last().unwrap().to_owned();
    std::env::set_current_dir(&top).unwrap();
    let address = listen().await;
    for _ in 0..2 {
        let response = script(address).await;
        assert_eq!(
            (response.status, response.header("content-type")),
            (404, Some("text/plain; charset=utf-8"))
        );
        for way_out in
            ["npm install socket.io-client", "client_files(", "cdn.socket.io", "serve_client(false)"]
        {
            assert!(response.text().contains(way_out), "{way_out}: {}", response.text());
        }
    }
    let head = send(address, Request::new("HEAD", "/socket.io/socket.io.min.js")).await;
    head.is(404, "");
    send(address, Request::get("/socket.io/socket.io.esm.js"))
        .await
        .is(400, r#"{"code":0,"message":"Transport unknown"}"#);
}
