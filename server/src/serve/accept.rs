//! What stands between a socket and HTTP: the connection is taken in or turned away, its requests are
//! told whom they come from, and it can be ended from outside.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use axum_server::accept::Accept;
use futures_util::FutureExt;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower::Service;

use super::address::Proxies;
use super::connection::Connection;
use super::connections::{Connections, Membership};
use super::watched::{answer, request};
use crate::wire::ClientAddress;

/// Takes connections in.
#[derive(Clone, Debug)]
pub(super) struct Acceptor(pub(super) Arc<Connections>);

impl Accept<TcpStream, App> for Acceptor {
    type Stream = Stream;
    type Service = App;
    type Future = Ready<io::Result<(Stream, App)>>;

    fn accept(&self, socket: TcpStream, app: App) -> Self::Future {
        let Some((membership, ended)) = self.0.open() else {
            return ready(Err(io::Error::other("too many connections")));
        };
        let connection = Some(Arc::clone(membership.connection()));
        let stream = Stream { socket, ended: Some(ended), is_blocked: false, membership };
        // Without the delay answers would wait for each other; some systems refuse it for a socket that
        // is closed already, which is found out soon enough.
        let _ = stream.socket.set_nodelay(true);
        ready(Ok((stream, App { connection, ..app })))
    }
}

/// The app as one connection has it.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) router: Router,
    pub(super) proxies: Arc<Proxies>,
    pub(super) peer: SocketAddr,
    /// Known once the connection is taken in.
    pub(super) connection: Option<Arc<Connection>>,
}

impl<B> Service<Request<B>> for App
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut request = request.map(Body::new);
        let client = self.proxies.client(self.peer.ip(), request.headers());
        request.extensions_mut().insert(ClientAddress(client));
        let Some(connection) = &self.connection else {
            return Box::pin(self.router.call(request));
        };
        let (request, watched) = self::request(request, Arc::clone(connection));
        let answer = |answer: Result<Response, Infallible>| Ok(self::answer(answer?, watched));
        Box::pin(self.router.call(request).map(answer))
    }
}

/// A socket whose connection is among the others, and ends when it is told to.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    /// `None` once it was told to.
    ended: Option<oneshot::Receiver<()>>,
    is_blocked: bool,
    membership: Membership,
}

impl Stream {
    /// An error once the connection has to end. Reading and writing are of the same task, so one waker is
    /// enough.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(ended) = &mut self.ended
            && ended.poll_unpin(context).is_pending()
        {
            return Ok(());
        }
        self.ended = None;
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    }

    /// Notes whether the client takes what is sent.
    fn wrote<T>(&mut self, written: Poll<T>) -> Poll<T> {
        if written.is_pending() != self.is_blocked {
            self.is_blocked = written.is_pending();
            let since = self.is_blocked.then(Instant::now);
            self.membership.connection().set_blocked(since);
        }
        written
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, parts);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
