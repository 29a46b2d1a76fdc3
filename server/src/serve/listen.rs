//! The port: HTTP/1.1 and HTTP/2 on one listener, in clear text or in TLS, and how it ends.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tower::service_fn;

use super::metrics;
use crate::config::Settings;
use crate::exit::Failure;

/// The most bytes that the header of a request may have.
const HEADER: u16 = 32 << 10;
/// How many requests may run on one HTTP/2 connection at the same time.
const STREAMS: u32 = 200;
/// How often an HTTP/2 client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);

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
        let named = bound.and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = named
            .map_err(|error| Failure::fault(format!("cannot listen on {address}: {error}")))?;
        Ok(Self { socket, address, tls })
    }

    /// Serves it.
    pub(super) fn start(self, app: Router, settings: &Settings) -> Result<Running, Failure> {
        let Self { socket, address, tls } = self;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let signals = Signals::listen().map_err(Failure::fault)?;
        let handle = Handle::new();
        let mut server = axum_server::from_tcp(socket)
            .map_err(Failure::fault)?
            .handle(handle.clone())
            .acceptor(NoDelayAcceptor::new());
        limit(&mut server, settings.header_timeout.0);
        let server = server
            // Also of one who sends nothing at all, which hyper's own limit does not begin with.
            .first_request_timeout(settings.header_timeout.0)
            .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "not accepted"));
        let (open, most) = (handle.clone(), settings.max_connections.0.get());
        let connections = service_fn(move |_: SocketAddr| {
            ready(if open.connection_count() < most {
                Ok(app.clone())
            } else {
                metrics::connection_refused();
                Err(io::Error::other("too many connections"))
            })
        });
        let serving = match tls {
            None => tokio::spawn(server.serve(connections)),
            Some(tls) => {
                let acceptor =
                    RustlsAcceptor::new(tls).handshake_timeout(settings.header_timeout.0);
                let acceptor = acceptor.acceptor(NoDelayAcceptor::new());
                tokio::spawn(server.acceptor(acceptor).serve(connections))
            }
        };
        let url = format!("{scheme}://{address}");
        Ok(Running { serving, handle, signals, url, patience: settings.shutdown_timeout })
    }
}

/// Sets the limits of hyper.
fn limit<A>(server: &mut Server<SocketAddr, A>, header_timeout: Duration) {
    let builder = server.http_builder();
    builder.http1().max_buf_size(HEADER.into()).header_read_timeout(header_timeout);
    builder
        .http2()
        .max_header_list_size(HEADER.into())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PING);
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
