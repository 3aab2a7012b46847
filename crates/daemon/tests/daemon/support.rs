//! What the stories share: a daemon on free ports with a chain that nobody answers for.

use std::net::{Ipv4Addr, SocketAddr};

use channel::key::{PublicKey, SecretKey};
use daemon::{
    Daemon,
    client::{self, Answer},
    config::{Config, Liteserver},
};
use futures_util::StreamExt;
use hyper::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A daemon and where it lives.
pub(crate) struct Lone {
    pub(crate) daemon: Daemon,
    pub(crate) dir: TempDir,
    pub(crate) token: String,
}

pub(crate) fn config() -> Config {
    let mut config = Config::generate().unwrap();
    config.listen.udp = ANY_PORT;
    config.listen.http = ANY_PORT;
    config.liteservers.push(Liteserver { address: "127.0.0.1:9".to_owned(), key: server_key() });
    config
}

/// The key of the liteserver in [`config`].
pub(crate) fn server_key() -> PublicKey {
    SecretKey::from_seed([4; 32]).public()
}

pub(crate) async fn lone(config: Config) -> Lone {
    let dir = TempDir::new().unwrap();
    let token = config.keys.admin_token.to_string();
    let daemon = Daemon::start(config, dir.path()).await.unwrap();
    Lone { daemon, dir, token }
}

impl Lone {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.daemon.http)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        client::get(&self.url(path), Some(&self.token)).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        client::post(&self.url(path), Some(&self.token), &body).await.unwrap()
    }

    pub(crate) async fn socket(&self, path: &str) -> Socket {
        self.try_socket(path).await.unwrap()
    }

    pub(crate) async fn try_socket(&self, path: &str) -> Result<Socket, tungstenite::Error> {
        let (socket, _) = connect_async(format!("ws://{}{path}", self.daemon.http)).await?;
        Ok(socket)
    }

    /// The node's own thread answers, and so do the sockets around it.
    pub(crate) async fn assert_healthy(&self) {
        assert_eq!(self.get("/health").await.status, StatusCode::OK);
        assert_eq!(self.get("/snapshot").await.status, StatusCode::OK);
    }
}

/// Reads until the other side says goodbye; its code, or `None` when it just hung up.
pub(crate) async fn goodbye(socket: &mut Socket) -> Option<u16> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

/// The status of a refused upgrade.
pub(crate) fn refusal(result: Result<Socket, tungstenite::Error>) -> u16 {
    match result {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("refused in another way: {other}"),
        Ok(_) => panic!("not refused"),
    }
}
