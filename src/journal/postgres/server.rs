//! Which server, as a URL says it, and how to trust it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{ANSWER_LIMIT, told};
use crate::journal::JournalError;

type TlsStream = <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream;

/// A server and a database on it. Displayed it names them, and nothing that is secret.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl Server {
    pub(super) fn of(url: &str) -> Result<Self, JournalError> {
        let Asked { url, root } = Asked::of(url)?;
        let mut config: Config =
            url.parse().map_err(|error: Error| foreign(&"the URL", told(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(foreign(&"the URL", String::from("it names no host")));
        }
        // Another server than the one that takes writes may be behind, and so may be what is read there.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(ANSWER_LIMIT);
        }
        if config.get_application_name().is_none() {
            config.application_name("portcullis");
        }
        let over_tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)))
            || !config.get_hostaddrs().is_empty();
        let tls = over_tcp && config.get_ssl_mode() != SslMode::Disable;
        let tls = client_config(if tls { trusted(root)? } else { RootCertStore::empty() })?;
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    /// A connection, to be driven by the caller.
    pub(super) async fn connect(&self) -> Result<(Client, Connection<Socket, TlsStream>), Error> {
        // In a box: it is large, and few have one at a time.
        Box::pin(self.config.connect(self.tls.clone())).await
    }
}

/// The URL without what this journal understands itself.
struct Asked {
    url: String,
    root: Option<PathBuf>,
}

impl Asked {
    fn of(url: &str) -> Result<Self, JournalError> {
        let Some((place, options)) = url.split_once('?') else {
            return Ok(Self { url: String::from(url), root: None });
        };
        let (mut kept, mut root) = (Vec::new(), None);
        for option in options.split('&') {
            match option.split_once('=') {
                Some(("sslrootcert", file)) => {
                    let file = percent_decode_str(file).decode_utf8_lossy();
                    root = Some(PathBuf::from(file.into_owned()));
                }
                Some(("sslmode", "verify-full")) => kept.push("sslmode=require"),
                Some(("sslmode", mode)) if !["disable", "prefer", "require"].contains(&mode) => {
                    let cause = format!(
                        "its sslmode is `{mode}`, and must be one of disable, prefer, require, \
                         verify-full"
                    );
                    return Err(foreign(&"the URL", cause));
                }
                _ => kept.push(option),
            }
        }
        Ok(Self { url: format!("{place}?{}", kept.join("&")), root })
    }
}

/// The certificates to trust: those of a file, or the machine's.
fn trusted(root: Option<PathBuf>) -> Result<RootCertStore, JournalError> {
    let found = match &root {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.certs);
    match root {
        Some(file) if added == 0 => {
            let causes: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            let cause =
                format!("there is no certificate in {}: {}", file.display(), causes.join(", "));
            Err(foreign(&"the URL's sslrootcert", cause))
        }
        _ => Ok(store),
    }
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, JournalError> {
    // Named, for a process may have several and none by default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| foreign(&"TLS", error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

pub(super) fn foreign(journal: &impl fmt::Display, cause: String) -> JournalError {
    JournalError::Foreign { journal: journal.to_string(), cause }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgreSQL at ")?;
        let ports = self.config.get_ports();
        for (number, host) in self.config.get_hosts().iter().enumerate() {
            let between = if number == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{between}{name}")?,
                Host::Unix(folder) => write!(f, "{between}{}", folder.display())?,
            }
            if let Some(port) = ports.get(number).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}
