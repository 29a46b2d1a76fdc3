//! TLS as the URL asks for it. The server's certificate is one that only the test trusts.

use std::os::unix::fs::{PermissionsExt, chown};

use portcullis::journal::{Journal, JournalError, PostgresJournal};

use super::{batch, postgres};

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_as_the_url_says_and_the_certificate_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (certificate, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    if let Some((user, group)) = postgres::other_user() {
        chown(&key, Some(user), Some(group)).unwrap();
    }
    let file = |name: &str, path: &std::path::Path| format!("{name}={}", path.display());
    let options = ["ssl=on", &file("ssl_cert_file", &certificate), &file("ssl_key_file", &key)];
    let Some(server) = postgres::Cluster::start(&options) else { return };
    let url = server.database().await;
    let by_name = url.replacen("127.0.0.1", "localhost", 1);
    let root = certificate.display();

    for mode in ["prefer", "require", "verify-full"] {
        let trusting = format!("{by_name}?sslmode={mode}&sslrootcert={root}");
        let journal = PostgresJournal::connect(&trusting).await.unwrap();
        let (head, spoken) = (journal.head().await.unwrap(), spoken(&url).await);
        assert!(spoken.iter().all(|tls| *tls) && !spoken.is_empty(), "{mode}: {spoken:?}");
        assert_eq!(journal.append(head, &batch(1, head, head, 1)).await, Ok(head + 1));

        // Nobody else's certificate, and nobody else's name.
        for doubtful in [
            format!("{by_name}?sslmode={mode}"),
            format!("{url}?sslmode={mode}&sslrootcert={root}"),
        ] {
            let fault = PostgresJournal::connect(&doubtful).await.unwrap_err();
            assert!(matches!(fault, JournalError::Unavailable(_)), "{fault:?}");
            assert!(fault.to_string().contains("certificate"), "{fault}");
        }
    }
    let plain = PostgresJournal::connect(&format!("{by_name}?sslmode=disable")).await.unwrap();
    plain.head().await.unwrap();
    assert!(spoken(&url).await.contains(&false));

    let Some(server) = postgres::shared() else { return };
    for mode in ["require", "verify-full"] {
        let asked = format!("{}?sslmode={mode}", server.database().await);
        let fault = PostgresJournal::connect(&asked).await.unwrap_err();
        assert!(fault.to_string().contains("does not support TLS"), "{fault}");
    }
}

/// Whether each of the journals' connections that there are is a TLS one.
async fn spoken(url: &str) -> Vec<bool> {
    let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
               WHERE application_name = 'portcullis'";
    let rows = postgres::client(url).await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
