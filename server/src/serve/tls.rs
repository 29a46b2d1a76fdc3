//! The certificate and its key.

use std::fs;
use std::path::Path;

use axum_server::tls_rustls::RustlsConfig;

use crate::config::Settings;
use crate::exit::Failure;

/// Reads the files, if the settings name some; HTTP/2 and HTTP/1.1 are offered.
pub(super) async fn read(settings: &Settings) -> Result<Option<RustlsConfig>, Failure> {
    let (Some(cert), Some(key)) = (&settings.tls_cert, &settings.tls_key) else {
        return Ok(None);
    };
    let read = |what, file: &Path| {
        let name = format!("the {what} {}", file.display());
        fs::read(file).map_err(|error| Failure::reading(name, &error))
    };
    let (certs, keys) = (read("certificate", cert)?, read("key", key)?);
    let config = RustlsConfig::from_pem(certs, keys).await.map_err(|why| {
        let (cert, key) = (cert.display(), key.display());
        Failure::bad_input(format!("the certificate {cert} and the key {key} are of no use: {why}"))
    })?;
    Ok(Some(config))
}
