//! The port: HTTP/1.1 and HTTP/2 on one listener, in clear text or in TLS, and how it ends.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tower::service_fn;

use super::accept::{Acceptor, App};
use super::address::Proxies;
use super::connection::Patience;
use super::connections::Connections;
use super::descriptors;
use crate::config::Settings;
use crate::exit::Failure;

/// How many connections may wait to be accepted; the system may have a lower limit.
const BACKLOG: i32 = 4096;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(10);
/// How much of a body a client may send before it is read, by stream and by connection, and how much of
/// an answer is kept for a client that does not read it.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
const SEND_BUFFER: usize = 64 << 10;
/// How many streams a client may reset before they are served, and how many resets it may provoke, until
/// its connection ends ("rapid reset", "made you reset").
const RESETS: usize = 20;
const PROVOKED_RESETS: usize = 100;

/// A port that is ours, and not served yet: who connects waits.
pub(super) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<RustlsConfig>,
}

impl Listener {
    /// Takes the port.
    pub(super) fn bind(address: SocketAddr, tls: Option<RustlsConfig>) -> Result<Self, Failure> {
        let bound = TcpListener::bind(address);
        let named = bound.and_then(|socket| {
            rustix::net::listen(&socket, BACKLOG)?;
            Ok((socket.local_addr()?, socket))
        });
        let (address, socket) = named
            .map_err(|error| Failure::fault(format!("cannot listen on {address}: {error}")))?;
        Ok(Self { socket, address, tls })
    }

    /// Serves it.
    pub(super) fn start(self, router: Router, settings: &Settings) -> Result<Running, Failure> {
        let Self { socket, address, tls } = self;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let signals = Signals::listen().map_err(Failure::fault)?;
        let handle = Handle::new();
        let patience = Patience { idle: settings.idle_timeout.0, unread: settings.write_timeout.0 };
        let most = descriptors::room_for(settings.max_connections.0.get());
        let connections = Arc::new(Connections::new(most, patience));
        tokio::spawn(Arc::clone(&connections).watch());
        let acceptor = Acceptor(connections);
        let mut server = axum_server::from_tcp(socket)
            .map_err(Failure::fault)?
            .handle(handle.clone())
            .acceptor(acceptor.clone());
        limit(&mut server, settings);
        let server = server
            // Also of one who sends nothing at all, which hyper's own limit does not begin with.
            .first_request_timeout(settings.header_timeout.0)
            .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "not accepted"));
        let proxies = Arc::new(Proxies::of(settings));
        let apps = service_fn(move |peer: SocketAddr| {
            let (router, proxies) = (router.clone(), Arc::clone(&proxies));
            ready(Ok::<_, Infallible>(App { router, proxies, peer, connection: None }))
        });
        let serving = match tls {
            None => tokio::spawn(server.serve(apps)),
            Some(tls) => {
                let tls = RustlsAcceptor::new(tls).handshake_timeout(settings.header_timeout.0);
                tokio::spawn(server.acceptor(tls.acceptor(acceptor)).serve(apps))
            }
        };
        let url = format!("{scheme}://{address}");
        Ok(Running { serving, handle, signals, url, patience: settings.shutdown_timeout })
    }
}

/// Sets the limits of hyper.
fn limit<A>(server: &mut Server<SocketAddr, A>, settings: &Settings) {
    let header = settings.max_header.0;
    let builder = server.http_builder();
    builder
        .http1()
        .max_buf_size(usize::try_from(header).unwrap_or(usize::MAX))
        .header_read_timeout(settings.header_timeout.0);
    builder
        .http2()
        // Of all frames of a header together.
        .max_header_list_size(header)
        .max_concurrent_streams(u32::try_from(settings.max_streams.0.get()).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(PROVOKED_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
}

/// A port that is served.
pub(super) struct Running {
    serving: JoinHandle<io::Result<()>>,
    handle: Handle<SocketAddr>,
    signals: Signals,
    url: String,
    patience: Duration,
}

impl Running {
    /// Where it is, with the port that was taken.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Waits for a signal; then accepts no more, ends what would not end by itself, and waits for what
    /// runs. A second signal ends the waiting.
    pub(super) async fn end(mut self, end_streams: impl FnOnce()) -> Result<(), Failure> {
        let mut serving = self.serving;
        tokio::select! {
            ended = &mut serving => return of_serving(ended),
            name = self.signals.next() => {
                tracing::info!(signal = name, connections = self.handle.connection_count(), "ending");
            }
        }
        self.handle.graceful_shutdown(Some(self.patience));
        end_streams();
        loop {
            tokio::select! {
                ended = &mut serving => return of_serving(ended),
                name = self.signals.next() => {
                    tracing::warn!(signal = name, "ending at once");
                    self.handle.shutdown();
                }
            }
        }
    }
}

fn of_serving(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), Failure> {
    ended.map_err(Failure::fault)?.map_err(Failure::fault)
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
