//! The certificate we show, and its key: read from files, or made at the first start and kept.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use super::error::TlsError;

/// Largest file of certificates or keys, in octets.
const LARGEST: u64 = 4 << 20;
/// A year, in seconds, on the average.
const YEAR: u64 = 31_556_952;
/// So many years a certificate of ours is good.
const YEARS: i32 = 10;

/// A certificate with those it was signed by, and its private key.
#[derive(Debug)]
pub struct OwnCertificate {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Clone for OwnCertificate {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl OwnCertificate {
    /// Reads PEM files: the certificate with those between it and its authority behind it, and the key (PKCS 8, PKCS 1 or SEC 1, not
    /// encrypted).
    ///
    /// # Errors
    /// [`TlsError`] when one cannot be read or holds something else.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let text = contents(key)?;
        let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| TlsError::Content {
            path: key.to_owned(),
            why: format!("expected a private key in PEM without a password: {error}"),
        })?;
        Ok(Self { chain, key })
    }

    /// One for these host names and addresses, signed by itself and good for ten years. Nothing is kept.
    ///
    /// # Errors
    /// [`TlsError`] when a name can be in no certificate.
    pub fn made_for(names: &[String]) -> Result<Self, TlsError> {
        let (certificate, key) = made(names).map_err(|error| TlsError::Unusable(error.to_string()))?;
        let pem = |error: rustls::pki_types::pem::Error| TlsError::Unusable(error.to_string());
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(pem)?];
        Ok(Self { chain, key: PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem)? })
    }

    /// The certificate that is kept as `certificate.pem` and `key.pem` in `folder`. Where there is none, one for these host names and addresses is
    /// made, signed by itself and good for ten years: peers must be given the file, or compare the [`OwnCertificate::fingerprint`].
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn kept_in(folder: &Path, names: &[String]) -> Result<Self, TlsError> {
        let (certificate, key) = Self::files(folder);
        if !certificate.exists() {
            let (certificate_pem, key_pem) = made(names).map_err(|error| TlsError::Unusable(error.to_string()))?;
            let write = |path: &Path, text: &str| {
                write_private(path, text).map_err(|source| TlsError::File { path: path.to_owned(), source })
            };
            let folder_made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            folder_made.map_err(|source| TlsError::File { path: folder.to_owned(), source })?;
            // The certificate last: when it is there, its key is.
            write(&key, &key_pem)?;
            write(&certificate, &certificate_pem)?;
        }
        Self::read(&certificate, &key)
    }

    /// Certificate and key of [`OwnCertificate::kept_in`].
    pub fn files(folder: &Path) -> (PathBuf, PathBuf) {
        (folder.join("certificate.pem"), folder.join("key.pem"))
    }

    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` shows it: `AB:CD:...`.
    pub fn fingerprint(&self) -> String {
        let Some(first) = self.chain.first() else { return String::new() };
        Sha256::digest(first).iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
    }
}

/// A certificate that signs itself, and its key, both PEM.
fn made(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let year = 1970 + i32::try_from(since / YEAR).unwrap_or(0);
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(year - 1, 1, 1), rcgen::date_time_ymd(year + YEARS, 1, 1));
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Writes a file that only we may read: whole, or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// All certificates of a PEM file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |why: String| TlsError::Content { path: path.to_owned(), why };
    let text = contents(path)?;
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| wrong(format!("expected certificates in PEM: {error}")))?;
    if all.is_empty() { Err(wrong("expected a certificate in PEM, found none".into())) } else { Ok(all) }
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    let fail = |source| TlsError::File { path: path.to_owned(), source };
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(fail)?;
    io::Read::read_to_end(&mut io::Read::take(file, LARGEST + 1), &mut text).map_err(fail)?;
    if text.len() as u64 > LARGEST {
        return Err(TlsError::Content { path: path.to_owned(), why: format!("larger than {LARGEST} octets") });
    }
    Ok(text)
}
