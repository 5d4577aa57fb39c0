//! Where somebody comes from: an internet address, as limits and moderation count it, and the
//! networks it may lie in.
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::Invalid;

/// An address as one counts them: IPv4 by itself, IPv6 by its first 64 bits, which is what one
/// household or one server gets. An IPv4 address in IPv6 clothes is the IPv4 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(IpAddr);

impl Address {
    /// Whether it is this machine itself.
    pub fn is_loopback(&self) -> bool {
        // `::1` has lost its last bits here.
        self.0.is_loopback() || self.0 == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        })
    }
}
impl FromStr for Address {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.strip_suffix("/64").unwrap_or(text);
        let address: Result<IpAddr, _> = text.parse();
        address.map(Self::from).map_err(|_| Invalid("an address is one of IPv4 or IPv6"))
    }
}
impl TryFrom<String> for Address {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}
impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}
impl schemars::JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let says = "an IPv4 address, or an IPv6 one, of which the first 64 bits count";
        schemars::json_schema!({ "type": "string", "description": says })
    }
}

/// All addresses that begin alike: `10.0.0.0/8`, `fd00::/8`, or one alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: u128,
    bits: u32,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = 128 - self.bits;
        let mask = if shift == 128 { 0 } else { u128::MAX << shift };
        bits_of(address) & mask == self.base & mask
    }
}

/// IPv4 addresses lie in IPv6's `::ffff:0:0/96`.
fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

impl FromStr for Network {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        const SAYS: Invalid = Invalid("a network is like 10.0.0.0/8, fd00::/8 or 192.0.2.7");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| SAYS)?;
        let (all, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| SAYS)?;
        if bits > all {
            return Err(SAYS);
        }
        Ok(Self { base: bits_of(address), bits: before + bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_as_one_gets_it() {
        let address = |text: &str| text.parse::<Address>().unwrap().to_string();

        assert_eq!(address("192.0.2.7"), "192.0.2.7");
        assert_eq!(address("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(address("2001:db8:1:2::/64"), "2001:db8:1:2::/64");
        "192.0.2".parse::<Address>().unwrap_err();
        assert!("::1".parse::<Address>().unwrap().is_loopback());
        assert!("127.0.0.2".parse::<Address>().unwrap().is_loopback());
    }

    #[test]
    fn a_network_holds_what_begins_alike() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };

        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "2001:db8::1"));
        for bad in ["10.0.0.0/33", "x/8", "10.0.0.0/", "::/129", ""] {
            bad.parse::<Network>().unwrap_err();
        }
    }
}
