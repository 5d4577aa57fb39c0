//! Where a request comes from: the peer, or what a proxy that we trust says of whom it speaks for.
use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};

use crate::domain::address::{Address, Network};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More hops than this are not looked at.
const MOST_HOPS: usize = 16;

/// The nearest address on the way that is not a trusted proxy's. A header that cannot be read is
/// believed up to there.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> Address {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = peer;
    if trusted.is_empty() || !is_trusted(peer) {
        return nearest.into();
    }
    for hop in hops(headers).into_iter().rev().take(MOST_HOPS) {
        let Some(hop) = hop else { break };
        nearest = hop;
        if !is_trusted(hop) {
            break;
        }
    }
    nearest.into()
}

/// The addresses that proxies added, in their order; `None`: one that cannot be read.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let texts = |name: HeaderName| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim).collect::<Vec<_>>()
    };
    let plain = texts(X_FORWARDED_FOR);
    if !plain.is_empty() {
        return plain.into_iter().map(read).collect();
    }
    let element = |element: &str| {
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for"));
        named.next().and_then(|(_, address)| read(address.trim_matches('"')))
    };
    texts(header::FORWARDED).into_iter().map(element).collect()
}

/// `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]:4711`.
fn read(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some((address, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse().ok();
    }
    text.split_once(':').and_then(|(address, _)| address.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, header: (&str, &str), trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        let name: HeaderName = header.0.parse().unwrap();
        headers.insert(name, header.1.parse().unwrap());
        let trusted: Vec<Network> = trusted.iter().map(|n| n.parse().unwrap()).collect();
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_but_a_trusted_proxy() {
        let claim = ("x-forwarded-for", "203.0.113.9");

        assert_eq!(of("198.51.100.1", claim, &[]), "198.51.100.1");
        assert_eq!(of("198.51.100.1", claim, &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", claim, &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn what_a_client_wrote_before_the_proxies_did_does_not_count() {
        let forged = ("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2");
        assert_eq!(of("10.0.0.1", forged, &["10.0.0.0/8"]), "203.0.113.9");

        let garbage = ("x-forwarded-for", "203.0.113.9, nonsense, 10.0.0.2");
        assert_eq!(of("10.0.0.1", garbage, &["10.0.0.0/8"]), "10.0.0.2");
    }

    #[test]
    fn both_headers_are_read_with_and_without_ports() {
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.9:4711"),
            ("forwarded", "for=203.0.113.9;proto=https"),
            ("forwarded", "proto=https; For=\"203.0.113.9:80\""),
        ] {
            assert_eq!(of("10.0.0.1", (name, value), &["10.0.0.0/8"]), "203.0.113.9", "{value}");
        }
        let six = ("forwarded", "for=\"[2001:db8:1:2:3::4]:80\"");
        assert_eq!(of("10.0.0.1", six, &["10.0.0.0/8"]), "2001:db8:1:2::/64");
    }
}
