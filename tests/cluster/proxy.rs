//! A proxy between a journal and its server, which does to connections what networks do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are passed on.
    Open,
    /// Requests go, answers are lost.
    Mute,
    /// Nothing goes, and nobody is told.
    Frozen,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    mode: watch::Sender<Mode>,
    /// How often all connections were cut.
    cuts: watch::Sender<u32>,
    /// How often all connections were silenced.
    silences: watch::Sender<u32>,
    runtime: Option<Runtime>,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (mode, modes) = watch::channel(Mode::Open);
        let (cuts, cut) = watch::channel(0);
        let (silences, silence) = watch::channel(0);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let server = SocketAddr::from(([127, 0, 0, 1], server));
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, modes.clone(), cut.clone(), silence.clone()));
            }
        });
        Self { port, mode, cuts, silences, runtime: Some(runtime) }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// From now on nothing goes over the connections that there are, and nobody is told. New ones work.
    pub(crate) fn silence(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }

    /// Closes all connections that there are.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    modes: watch::Receiver<Mode>,
    mut cut: watch::Receiver<u32>,
    mut silence: watch::Receiver<u32>,
) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    cut.mark_unchanged();
    silence.mark_unchanged();
    let requests = pass(from_client, to_server, modes.clone(), |mode| mode != Mode::Frozen);
    let answers = pass(from_server, to_client, modes, |mode| mode == Mode::Open);
    // Not dropped before the end: that would close the connections.
    tokio::pin!(requests, answers);
    tokio::select! {
        () = &mut requests => {}
        () = &mut answers => {}
        _ = cut.changed() => {}
        _ = silence.changed() => drop(cut.changed().await),
    }
}

/// Passes bytes on in one direction until it ends. While they do not go they are lost (`Mute`) or wait.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    goes: impl Fn(Mode) -> bool,
) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        if modes.wait_for(|mode| *mode != Mode::Frozen).await.is_err() {
            return;
        }
        let Ok(count @ 1..) = from.read(&mut bytes).await else {
            // A frozen connection does not tell that it has ended.
            let _ = modes.wait_for(|mode| *mode != Mode::Frozen).await;
            return;
        };
        if modes.wait_for(|mode| *mode != Mode::Frozen).await.is_err() {
            return;
        }
        let mode = *modes.borrow();
        if goes(mode) && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
