//! Dials configured upstreams, each with the trust its settings name.

use std::sync::Arc;

use access::Credential;
use moqt::Version;
use transport::{
    Address, AddressError, ClientEndpoint, ClientSettings, Connection, ConnectionSettings, DialError, Qlog,
    TrustSettings,
};

use crate::limit;

/// One configured upstream, checked.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) address: Address,
    /// Which of its certificates are accepted.
    pub(crate) trust: TrustSettings,
    /// What it wants to see in SETUP.
    pub(crate) credential: Credential,
}

/// Why an upstream was not reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Dial(#[from] DialError),
}

/// Dials upstreams by their place in the settings.
#[derive(Debug)]
pub(crate) struct Dialer {
    client: ClientEndpoint,
    upstreams: Vec<Upstream>,
}

impl Dialer {
    /// Needs a tokio runtime.
    pub(crate) fn new(
        upstreams: Vec<Upstream>,
        versions: Vec<Version>,
        qlog: Option<Arc<Qlog>>,
    ) -> std::io::Result<Self> {
        let connection = ConnectionSettings { idle_timeout: limit::UPSTREAM_IDLE, ..ConnectionSettings::default() };
        let settings = ClientSettings { connection, versions, ..ClientSettings::default() };
        Ok(Self { client: ClientEndpoint::new(settings)?.traced(qlog), upstreams })
    }

    pub(crate) fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// Dials an upstream, at `moved` if it asked to be reached there; the trust stays that of the settings.
    pub(crate) async fn dial(
        &self,
        upstream: &Upstream,
        moved: Option<&str>,
    ) -> Result<Arc<dyn Connection>, UpstreamError> {
        let address = match moved {
            Some(uri) => uri.parse()?,
            None => upstream.address.clone(),
        };
        Ok(self.client.dial(&address, &upstream.trust).await?)
    }

    pub(crate) async fn close(&self) {
        self.client.close(0, "relay stopped");
        self.client.wait_idle().await;
    }
}
