//! Addresses that may be asked: in TLS, or on this very machine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// The address of an issuer, as it calls itself. It is compared to the letter: a slash at the end
/// makes another issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl {
    text: String,
    discovery: Uri,
}

/// Why a text is no address that may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is none at all.
    #[error("give a URL with a scheme and a host, as in https://login.example.com")]
    NoUrl,
    /// Whoever is on the way could hand out keys.
    #[error(
        "it must begin with https://; http:// is for this machine alone, as in http://127.0.0.1"
    )]
    NoTls,
    /// It has more than scheme, host, port and path.
    #[error("it must have no user name, no query and no fragment")]
    Surplus,
}

impl IssuerUrl {
    /// Where the issuer tells about itself.
    pub(super) fn discovery(&self) -> &Uri {
        &self.discovery
    }

    /// An address that the issuer names: as safe as its own is.
    pub(super) fn named(&self, text: &str) -> Result<Uri, UrlError> {
        let uri = safe(text)?;
        if self.discovery.scheme() == Some(&Scheme::HTTPS) && uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(UrlError::NoTls);
        }
        Ok(uri)
    }
}

impl FromStr for IssuerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        safe(text)?;
        if text.contains(['?', '#']) {
            return Err(UrlError::Surplus);
        }
        let base = text.strip_suffix('/').unwrap_or(text);
        let discovery = safe(&format!("{base}/.well-known/openid-configuration"))?;
        Ok(Self { text: String::from(text), discovery })
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn safe(text: &str) -> Result<Uri, UrlError> {
    let uri: Uri = text.parse().map_err(|_| UrlError::NoUrl)?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(UrlError::NoUrl);
    };
    if authority.as_str().contains('@') {
        return Err(UrlError::Surplus);
    }
    let is_safe = *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP && is_here(authority.host());
    if is_safe { Ok(uri) } else { Err(UrlError::NoTls) }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_in_tls_or_on_this_machine() {
        for (text, discovery) in [
            ("https://a.example", "https://a.example/.well-known/openid-configuration"),
            ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
            (
                "https://a.example:8443/b",
                "https://a.example:8443/b/.well-known/openid-configuration",
            ),
            ("http://localhost:1", "http://localhost:1/.well-known/openid-configuration"),
            ("http://127.0.0.9", "http://127.0.0.9/.well-known/openid-configuration"),
            ("http://[::1]:80", "http://[::1]:80/.well-known/openid-configuration"),
        ] {
            let url: IssuerUrl = text.parse().unwrap();
            assert_eq!(
                (url.to_string(), url.discovery().to_string()),
                (text.into(), discovery.into())
            );
        }
        for (text, error) in [
            ("", UrlError::NoUrl),
            ("a.example", UrlError::NoUrl),
            ("/path", UrlError::NoUrl),
            ("https://", UrlError::NoUrl),
            ("http://a.example", UrlError::NoTls),
            ("http://127.0.0.1.a.example", UrlError::NoTls),
            ("http://localhost.a.example", UrlError::NoTls),
            ("http://10.0.0.1", UrlError::NoTls),
            ("ftp://127.0.0.1", UrlError::NoTls),
            ("http://localhost@a.example", UrlError::Surplus),
            ("https://me:secret@a.example", UrlError::Surplus),
            ("https://a.example/?tenant=1", UrlError::Surplus),
            ("https://a.example#here", UrlError::Surplus),
        ] {
            assert_eq!(text.parse::<IssuerUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn an_issuer_in_tls_names_no_address_without() {
        let url: IssuerUrl = "https://a.example".parse().unwrap();
        assert!(url.named("https://keys.example/jwks?x=1").is_ok());
        assert_eq!(url.named("http://a.example/jwks"), Err(UrlError::NoTls));
        assert_eq!(url.named("http://127.0.0.1/jwks"), Err(UrlError::NoTls));
        let url: IssuerUrl = "http://127.0.0.1:1".parse().unwrap();
        assert!(url.named("http://127.0.0.1:1/jwks").is_ok());
        assert_eq!(url.named("http://a.example/jwks"), Err(UrlError::NoTls));
    }
}
