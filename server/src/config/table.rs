//! The table of settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use portcullis::{InstanceId, OrgId};

use super::value::{
    Count, ForwardedHeader, HeaderSize, LogFormat, LogLevel, Networks, Size, Timeout, Value,
};
use super::{Chosen, Setting};
use crate::api::attempts::NodeName;
use crate::exit::Failure;
use crate::oidc::IssuerUrl;
use crate::place::Place;

/// Generates the settings as a struct with a field for each, and the table of their names.
macro_rules! settings {
    ($($(#[doc = $help:literal])+ $key:ident: $type:ty, $form:literal $(= $default:literal)?;)*) => {
        /// What the server is told.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = $help])+ pub $key: $type,)*
        }

        /// Every setting.
        pub const TABLE: &[Setting] = &[
            $(Setting {
                key: stringify!($key),
                form: $form,
                default: settings!(@default $($default)?),
                help: concat!($($help),+),
                is_switch: <$type as Value>::IS_SWITCH,
                shown: <$type as Value>::shown,
            },)*
        ];

        impl Settings {
            /// Reads every value; `chosen` is in the order of the table.
            pub(super) fn read(chosen: &[Chosen]) -> Result<Self, Failure> {
                let mut chosen = chosen.iter();
                let mut next = || {
                    chosen.next().ok_or_else(|| Failure::fault("a setting without a value"))
                };
                Ok(Self { $($key: next()?.parse()?,)* })
            }
        }
    };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

settings! {
    /// The journal: a file, or the URL of a PostgreSQL database; made if there is none
    journal: Place, "PLACE" = "portcullis.db";
    /// The instance: `main` in a new journal; in a database of several, which one
    instance: Option<InstanceId>, "ID";
    /// First start only: failed passwords in a row that lock; 0 never locks
    max_password_attempts: u32, "N" = "10";
    /// First start only: failed one-time codes of one kind in a row that lock; 0 never locks
    max_otp_attempts: u32, "N" = "10";
    /// First start only: whether a login may tell its user how many attempts are left
    show_failures: bool, "BOOL" = "false";
    /// The name of this node in the ids of its attempts, for whoever routes their settling to it
    node: NodeName, "NAME" = "main";
    /// How old what a right password with nothing to reset has seen of the journal may be; 0s looks each time
    stale_success: Duration, "TIME" = "0s";
    /// How long an attempt may take between its two calls; then it is cancelled
    attempt_timeout: Timeout, "TIME" = "30s";
    /// How many attempts are held: open ones, and the answers of settled ones, for 5 minutes
    max_attempts: Count, "N" = "1000000";
    /// Whether the first attempt of a user who is not in the directory adds the user, and the organization
    register_on_attempt: bool, "BOOL" = "false";
    /// How many may follow the events at the same time
    max_subscribers: Count, "N" = "256";
    /// How long a follower of the events may leave them unread before being cut off
    subscriber_timeout: Timeout, "TIME" = "10s";
    /// Address and port to listen on; port 0 takes one that is free
    listen: SocketAddr, "ADDRESS" = "127.0.0.1:8080";
    /// Certificate chain in PEM form; with it the server speaks TLS and nothing else
    tls_cert: Option<PathBuf>, "FILE";
    /// Private key of the certificate in PEM form
    tls_key: Option<PathBuf>, "FILE";
    /// Issuer of JWTs, as it calls itself; callers may then bring its access tokens
    oidc_issuer: Option<IssuerUrl>, "URL";
    /// What must be in the audience of a JWT: the id of the project in ZITADEL
    oidc_audience: Option<String>, "ID";
    /// Organization whose grants of IAM_ roles count; without it no JWT has such a role
    oidc_instance_org: Option<OrgId>, "ID";
    /// How often the issuer's keys are fetched
    oidc_refresh: Timeout, "TIME" = "10m";
    /// How long the issuer's keys serve if they cannot be fetched again
    oidc_keys_for: Timeout, "TIME" = "1h";
    /// Root certificates in PEM form for the issuer, beside those that the system trusts
    oidc_ca: Option<PathBuf>, "FILE";
    /// Proxies whose word on the client's address is taken, as addresses and networks with commas between
    trusted_proxies: Networks, "NETWORKS";
    /// The header in which those proxies name the client: x-forwarded-for or forwarded
    forwarded_header: ForwardedHeader, "NAME" = "x-forwarded-for";
    /// The largest header of a request
    max_header: HeaderSize, "SIZE" = "32KiB";
    /// The longest body of a request
    max_body: Size, "SIZE" = "1MiB";
    /// The most bytes of all requests together that are still being sent; beyond it the slowest is refused
    max_buffered: Size, "SIZE" = "64MiB";
    /// How many connections may be open; beyond it the one that is of least use is closed for a new one
    max_connections: Count, "N" = "10000";
    /// How many requests may run on one HTTP/2 connection at the same time
    max_streams: Count, "N" = "200";
    /// How many calls may run at the same time; more are refused at once
    max_requests: Count, "N" = "4096";
    /// Requests a second from one address, or one IPv6 network /64, that are no known caller's; 0 for any
    rate_per_address: u32, "N" = "1000";
    /// Requests a second of one caller; 0 for any number
    rate_per_caller: u32, "N" = "100000";
    /// How long a request may take before it is answered with an error
    request_timeout: Timeout, "TIME" = "30s";
    /// How long a client may take to send the header of a request, or to greet in TLS
    header_timeout: Timeout, "TIME" = "10s";
    /// How long a client may leave what is sent to it unread
    write_timeout: Timeout, "TIME" = "30s";
    /// How long a connection may be open without a request
    idle_timeout: Timeout, "TIME" = "2m";
    /// How long requests may go on after a signal to end
    shutdown_timeout: Duration, "TIME" = "10s";
    /// The form of the log on stderr: text or json
    log_format: LogFormat, "FORM" = "text";
    /// What to log: error, warn, info, debug or trace
    log_level: LogLevel, "LEVEL" = "info";
}
