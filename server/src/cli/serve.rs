//! What may be typed after `portcullis serve` and `portcullis config`.

use clap::Args;

use super::Output;
use crate::config::flags::SettingArgs;

/// What `serve` is told.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingArgs,
}

pub(super) const SERVE: &str = "\
Serve the API on a journal, which is made if there is none.

The first start makes an organization and a user who may do everything, and writes the user's token to \
a file beside the journal's (portcullis.token in the working folder, if that is a database), which nobody \
else may read. Once the server accepts connections it says so on \
stdout; it logs on stderr. SIGTERM and SIGINT end it: what runs may finish, then the journal is closed.";

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  portcullis serve
  portcullis serve --journal 'postgres://portcullis@db.example/portcullis?sslmode=verify-full'
  portcullis serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem
  PORTCULLIS_LOG_FORMAT=json portcullis serve --config /etc/portcullis.toml

A flag goes before the environment, the environment before the file, the file before the default; \
`portcullis config` shows what holds. The keys of the file are the flags with _ for -:
  listen = \"0.0.0.0:8080\"
  max_body = \"64KiB\"";

/// What `config` is told.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// How to report
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Table)]
    pub output: Output,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingArgs,
}

pub(super) const CONFIG: &str = "\
Examples:
  portcullis config
  portcullis config --config staging.toml --output json

Takes the flags of `portcullis serve` and shows what a server would be told. Of the URL of a database the \
password is left out; no other setting is a secret: keys and tokens are in files, and only the names of \
those are settings.";
