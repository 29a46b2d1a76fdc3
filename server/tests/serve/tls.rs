//! TLS: a server with a certificate, and certificates that are of no use.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Place;
use super::client::{Answer, connect, head};

/// A folder with a certificate for localhost.
fn place() -> (Place, CertificateDer<'static>) {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    place.write("cert.pem", &made.cert.pem());
    place.write("key.pem", &made.signing_key.serialize_pem());
    (place, made.cert.der().clone())
}

const FLAGS: [&str; 4] = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];

#[test]
fn a_server_with_a_certificate_speaks_both_versions_in_tls_alone() {
    let (place, cert) = place();
    let mut server = place.serve(&FLAGS);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let mut roots = RootCertStore::empty();
    roots.add(cert).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    for version in [&b"http/1.1"[..], b"h2"] {
        let mut config = config.clone();
        config.alpn_protocols = vec![version.to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = StreamOwned::new(session, connect(server.address));
        stream.conn.complete_io(&mut stream.sock).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(version));
        if version == b"http/1.1" {
            let request = head("GET", "/debug/healthz", &[]) + "\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            assert_eq!(Answer::read(stream).status, 200);
        }
    }
    let mut clear = server.begin(&(head("GET", "/debug/healthz", &[]) + "\r\n"));
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut clear, &mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    server.stop();
}

#[test]
fn a_bad_certificate_is_an_error_before_anything_is_opened() {
    let (place, _) = place();
    let (other, _) = self::place();
    fs::copy(other.file("key.pem"), place.file("other.pem")).unwrap();
    place.write("text.pem", "no certificate");
    let port = ["serve", "--listen", "127.0.0.1:0"];
    for (cert, key, part) in [
        ("none.pem", "key.pem", "cannot read the certificate none.pem"),
        ("cert.pem", "none.pem", "cannot read the key none.pem"),
        ("text.pem", "key.pem", "the certificate text.pem and the key key.pem are of no use"),
        ("cert.pem", "text.pem", "the certificate cert.pem and the key text.pem are of no use"),
        ("cert.pem", "other.pem", "the certificate cert.pem and the key other.pem are of no use"),
    ] {
        let flags = ["--tls-cert", cert, "--tls-key", key];
        place.run(&[&port[..], &flags].concat()).fails(2, part);
    }
    place.run(&[&port[..], &FLAGS[..2]].concat()).fails(2, "tls_cert and tls_key go together");
    place.run(&[&port[..], &FLAGS[2..]].concat()).fails(2, "tls_cert and tls_key go together");
    assert!(!place.file("portcullis.db").exists());
}
