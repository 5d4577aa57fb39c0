//! What fred is told, against its defaults: for ever, unbounded, and never again.
use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow, ensure};
use fred::{
    prelude::{Builder, Config, ReconnectPolicy, TcpConfig},
    types::{
        RespVersion,
        config::{
            ConnectionConfig, PerformanceConfig, ReconnectError, TlsConnector, UnresponsiveConfig,
        },
    },
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use secrecy::{ExposeSecret, SecretString};

const SCHEMES: [&str; 6] =
    ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];
/// Commands that may wait to be written; more are refused at once.
const LONGEST_QUEUE: usize = 10_000;
/// Pushes that may wait to be read; more are a `Lagged`, which is repaired from the log.
const LONGEST_FEED: usize = 8_192;
/// How long a connection may take to be there, and each step of its greeting. Short, because one
/// that was begun while Redis was away holds up the next.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Between two tries to connect: at first and at most, in ms. Redis back means acks again.
const RETRY_MS: (u32, u32) = (100, 500);
/// fred's own rule for a connection that owes an answer. It counts from the last write, so it is
/// for the idle only; `link.rs` has the one for the busy.
const UNRESPONSIVE: Duration = Duration::from_secs(5);

/// A builder of clients for this URL. The error never holds the URL: it may have a password.
pub(super) fn builder(
    url: &SecretString,
    command_timeout: Duration,
    tls_ca: &str,
) -> anyhow::Result<Builder> {
    // fred takes any scheme it does not know for redis://.
    let scheme = url.expose_secret().split("://").next().unwrap_or_default();
    ensure!(SCHEMES.contains(&scheme), "store.url begins with none of {SCHEMES:?} and ://");
    let mut config = Config::from_url(url.expose_secret())
        .map_err(|error| anyhow!("store.url is not a Redis URL ({:?})", error.kind()))?;
    config.version = RespVersion::RESP3;
    if !tls_ca.is_empty() {
        config.tls = Some(trusting(tls_ca)?.into());
    }
    // Redis may come later than we do.
    config.fail_fast = false;
    let mut policy = ReconnectPolicy::new_exponential(0, RETRY_MS.0, RETRY_MS.1, 2);
    policy.set_jitter(100);
    let mut builder = Builder::from_config(config);
    builder.set_policy(policy);
    builder.set_connection_config(connection());
    builder.set_performance_config(PerformanceConfig {
        default_command_timeout: command_timeout,
        ..PerformanceConfig::default()
    });
    Ok(builder)
}

/// TLS with whom the certificates in this file vouch for, and nobody else.
fn trusting(file: &str) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(file)
        .with_context(|| format!("store.tls_ca: {file} cannot be read"))?;
    for certificate in found {
        let certificate =
            certificate.with_context(|| format!("store.tls_ca: {file} is no PEM file"))?;
        roots
            .add(certificate)
            .with_context(|| format!("store.tls_ca: a certificate in {file} is none"))?;
    }
    ensure!(!roots.is_empty(), "store.tls_ca: no certificate is in {file}");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

/// The same for the subscriber. Only it needs a long feed: each costs tens of MiB.
pub(super) fn with_long_feed(builder: &Builder) -> Builder {
    let mut subscriber = builder.clone();
    subscriber.with_performance_config(|config| config.broadcast_channel_capacity = LONGEST_FEED);
    subscriber
}

fn connection() -> ConnectionConfig {
    ConnectionConfig {
        connection_timeout: CONNECT_WITHIN,
        internal_command_timeout: CONNECT_WITHIN,
        // A primary that was made a replica says so in its answers only.
        reconnect_errors: vec![ReconnectError::ReadOnly],
        // A command whose answer was lost may have been done: whoever sent it decides.
        max_command_attempts: 1,
        max_command_buffer_len: LONGEST_QUEUE,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(UNRESPONSIVE),
            interval: Duration::from_secs(1),
        },
        tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for url in ["http://u:hunter2@h", "redis://u:hunter2@h:99999", "u:hunter2@h", "redis://"] {
            let url = SecretString::from(url);
            if let Err(error) = builder(&url, UNRESPONSIVE, "") {
                assert!(!format!("{error:#} {error:?}").contains("hunter2"));
            }
        }
        builder(&SecretString::from("http://h"), UNRESPONSIVE, "").unwrap_err();
    }

    #[test]
    fn every_kind_of_redis_has_its_scheme() {
        for url in [
            "redis://h",
            "rediss://h",
            "redis-cluster://h:1?node=i:2",
            "redis-sentinel://h:1?sentinelServiceName=m",
        ] {
            builder(&SecretString::from(url), UNRESPONSIVE, "").unwrap();
        }
    }
}
