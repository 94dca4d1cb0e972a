//! TLS: whom to trust, and what makes the ciphers.

use redis::ConnectionInfo;

use crate::error::OpenError;
#[cfg(feature = "tls")]
use crate::error::OpenErrorKind;

/// The same address, where only the servers of this authority (PEM) are believed. Without one
/// those of the operating system are.
#[cfg(feature = "tls")]
pub(super) fn trusting(
    info: ConnectionInfo,
    root: Option<&[u8]>,
) -> Result<ConnectionInfo, OpenError> {
    use redis::{Client, ConnectionAddr, TlsCertificates};
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls {
        choose_ciphers();
    }
    let Some(root) = root else { return Ok(info) };
    if !is_tls {
        return Err(OpenError::new(OpenErrorKind::Config, NO_USE));
    }
    // The driver takes what has no certificate in it for an authority that vouches for nobody.
    if !matches!(CertificateDer::pem_slice_iter(root).next(), Some(Ok(_))) {
        return Err(OpenError::new(OpenErrorKind::Config, NO_PEM));
    }
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(root.to_vec()) };
    let client = Client::build_with_tls(info, certificates)
        .map_err(|error| OpenError::new(OpenErrorKind::Config, NO_PEM).with_source(error))?;
    Ok(client.get_connection_info().clone())
}

/// Without the feature there is nobody to trust: `rediss:` was refused before this.
#[cfg(not(feature = "tls"))]
pub(super) const fn trusting(
    info: ConnectionInfo,
    _root: Option<&[u8]>,
) -> Result<ConnectionInfo, OpenError> {
    Ok(info)
}

/// Takes ring unless the application has chosen. Where it has features for two, rustls would ask it
/// to choose by a panic.
#[cfg(feature = "tls")]
fn choose_ciphers() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // Somebody may have been faster; then theirs is taken.
        drop(ring::default_provider().install_default());
    }
}

pub(super) const NO_TLS: &str = "TLS to Redis needs the feature `tls`: `sessile = { version = \"…\", \
                                 features = [\"redis\", \"tls\"] }`";
#[cfg(feature = "tls")]
const NO_USE: &str =
    "a root certificate is for `rediss:` and has no use here: write `rediss` in place of `redis`";
#[cfg(feature = "tls")]
const NO_PEM: &str = "the root certificate must be in PEM, as in `-----BEGIN CERTIFICATE-----`";
