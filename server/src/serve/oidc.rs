//! Callers by JWT, if the settings name an issuer.

use std::fs;
use std::sync::Arc;

use crate::callers::Callers;
use crate::config::Settings;
use crate::directory::JournalDirectory;
use crate::exit::Failure;
use crate::oidc::{Issuer, OidcCallers, OidcOptions, Roots};

/// Reads the issuer's own root certificates, if a file is named.
pub(super) fn roots(settings: &Settings) -> Result<Roots, Failure> {
    let Some(file) = &settings.oidc_ca else { return Ok(Roots::default()) };
    let name = file.display();
    let pem = fs::read(file)
        .map_err(|error| Failure::reading(format!("the root certificates {name}"), &error))?;
    Roots::with_pem(&pem).map_err(|why| {
        Failure::bad_input(format!("the root certificates {name} are of no use: {why}"))
    })
}

/// Who may call: the directory's callers, and the issuer's beside them. An issuer that is away keeps
/// no server from starting.
pub(super) fn callers(
    settings: &Settings,
    roots: Roots,
    directory: &Arc<JournalDirectory>,
) -> Result<Arc<dyn Callers>, Failure> {
    let own = Arc::clone(directory);
    let (Some(issuer), Some(audience)) = (&settings.oidc_issuer, &settings.oidc_audience) else {
        return Ok(own);
    };
    let options = OidcOptions {
        instance_org: settings.oidc_instance_org.clone(),
        refresh: settings.oidc_refresh.0,
        keys_for: settings.oidc_keys_for.0,
        roots,
        ..OidcOptions::new(issuer.clone(), audience)
    };
    let issuer = Issuer::new(options).map_err(Failure::fault)?;
    let callers = Arc::new(OidcCallers::new(issuer, own, Arc::clone(directory) as _));
    let fresh = Arc::clone(&callers);
    tokio::spawn(async move { fresh.keep_fresh().await });
    Ok(callers)
}
