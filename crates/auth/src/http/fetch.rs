//! HTTP requests. They block, so they are made on threads that may wait.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider};

use crate::secret::Secret;

/// Bytes of the longest answer that is read.
const MAXIMUM_BYTES: u64 = 1024 * 1024;

/// Where systems keep the certificates of the authorities that they trust.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Makes requests.
#[derive(Clone)]
pub struct Fetch(Agent);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The file with authorities cannot be read.
    #[error("cannot read the authorities in {0}: {1}")]
    Authorities(String, String),
    /// The request has failed.
    #[error("the request has failed: {0}")]
    Request(#[from] Box<ureq::Error>),
}

/// What a server has answered.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Fetch {
    /// With a time for all of a request, and authorities for HTTPS: those in `cafile`, or the
    /// system's.
    ///
    /// # Errors
    /// [`FetchError::Authorities`].
    pub fn new(timeout: Duration, cafile: Option<&Path>) -> Result<Self, FetchError> {
        let authorities = authorities(cafile)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(RootCerts::new_with_certs(&authorities))
            .build();
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(tls)
            .build();
        Ok(Fetch(Agent::new_with_config(config)))
    }

    /// What is at an address.
    ///
    /// # Errors
    /// [`FetchError::Request`].
    pub fn get(&self, url: &str) -> Result<Option<Vec<u8>>, FetchError> {
        let answer = read(self.0.get(url).call())?;
        Ok((answer.status == 200).then_some(answer.body))
    }

    /// The answer to any request, whatever its status.
    ///
    /// # Errors
    /// [`FetchError::Request`].
    pub fn exchange(
        &self,
        request: ureq::http::Request<Vec<u8>>,
    ) -> Result<ureq::http::Response<Vec<u8>>, FetchError> {
        let (head, body) = request.into_parts();
        let answer = match body.is_empty() {
            true => self.0.run(ureq::http::Request::from_parts(head, ())),
            false => self.0.run(ureq::http::Request::from_parts(head, body)),
        };
        let (head, mut body) = answer.map_err(Box::new)?.into_parts();
        let body = body.with_config().limit(MAXIMUM_BYTES).read_to_vec();
        let body = body.map_err(Box::new)?;
        Ok(ureq::http::Response::from_parts(head, body))
    }

    pub(crate) fn post(
        &self,
        url: &str,
        headers: &BTreeMap<String, Secret>,
        json: &[u8],
    ) -> Result<Response, FetchError> {
        let mut request = self.0.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value.reveal());
        }
        read(request.send(json))
    }
}

fn read(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Response, FetchError> {
    let mut answer = answer.map_err(Box::new)?;
    let body = answer.body_mut().with_config().limit(MAXIMUM_BYTES);
    let body = body.read_to_vec().map_err(Box::new)?;
    let status = answer.status().as_u16();
    Ok(Response { status, body })
}

fn authorities(cafile: Option<&Path>) -> Result<Vec<Certificate<'static>>, FetchError> {
    let path = match cafile {
        Some(path) => path,
        None => match SYSTEM_AUTHORITIES
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
        {
            Some(path) => path,
            None => return Ok(Vec::new()),
        },
    };
    let error = |error: &dyn std::fmt::Display| {
        FetchError::Authorities(path.display().to_string(), error.to_string())
    };
    let text = std::fs::read(path).map_err(|e| error(&e))?;
    let mut certificates = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| error(&e))? {
            certificates.push(certificate);
        }
    }
    Ok(certificates)
}
