//! Where a request comes from: the address of the other end of its connection, or what a proxy that the operator trusts
//! says about it.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{Extensions, HeaderMap};

/// The address of the other end of a connection; every request on it carries it as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A network: an address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a single address. Bits beyond the prefix must be 0.
    ///
    /// ```
    /// use aimds_gateway::Network;
    /// let network = Network::parse("192.0.2.0/24").unwrap();
    /// assert!(network.contains("192.0.2.7".parse().unwrap()));
    /// assert!(Network::parse("192.0.2.7/24").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse().ok()?, Some(bits.parse::<u32>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let network = Self { address, bits: bits.unwrap_or(width) };
        (network.bits <= width && prefix(address, network.bits) == spread(address)).then_some(network)
    }

    /// Whether an address is in it. An IPv4 address in the form of IPv6 (`::ffff:192.0.2.7`) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && prefix(address, self.bits) == spread(self.address)
    }
}

/// The bits of an address from the highest on.
fn spread(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn prefix(address: IpAddr, bits: u32) -> u128 {
    spread(address) & u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

/// The address by which a subscriber is counted: of IPv6, the first 64 bits, which is what one has at least.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// Whom a request comes from. Proxies add the address that they were asked from at the end of `X-Forwarded-For`; the
/// last one that is not a trusted proxy's is the client's. What stands before it anyone may have written.
pub(crate) fn client(extensions: &Extensions, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let Peer(peer) = extensions.get::<Peer>()?;
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>();
    let told = lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for address in told {
        if !trusted.iter().any(|network| network.contains(client)) {
            break;
        }
        // Something else than an address: the proxy that let it through is as far as we know.
        let Some(address) = read(address.trim()) else { break };
        client = address;
    }
    Some(client)
}

/// An address as proxies write it: alone, or with a port.
fn read(text: &str) -> Option<IpAddr> {
    let alone = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    alone().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_with_its_prefix() {
        let check = |network: &str, address: &str, expected: bool| {
            let holds = Network::parse(network).unwrap().contains(address.parse().unwrap());
            assert_eq!(holds, expected, "{network} {address}");
        };
        check("127.0.0.0/8", "127.255.0.1", true);
        check("127.0.0.0/8", "128.0.0.1", false);
        check("127.0.0.0/8", "::ffff:127.0.0.1", true);
        check("127.0.0.0/8", "::1", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("::/0", "2001:db8::1", true);
        check("::/0", "203.0.113.9", false);
        check("203.0.113.9", "203.0.113.9", true);
        check("203.0.113.9", "203.0.113.8", false);
        check("2001:db8::/33", "2001:db8:7fff::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        for wrong in
            ["", "/8", "127.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "x"]
        {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| Network::parse(network).unwrap());
        let check = |peer: &str, lines: &[&str], expected: &str| {
            let mut extensions = Extensions::new();
            extensions.insert(Peer(peer.parse().unwrap()));
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().unwrap());
            }
            let client = client(&extensions, &headers, &trusted).unwrap();
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        };
        check("198.51.100.1", &[], "198.51.100.1");
        check("198.51.100.1", &["203.0.113.9"], "198.51.100.1");
        check("10.0.0.1", &[], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9");
        check("10.0.0.1", &["127.0.0.1", "203.0.113.9, 10.2.3.4"], "203.0.113.9");
        check("10.0.0.1", &["10.9.9.9, 10.2.3.4"], "10.9.9.9");
        check("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9");
        check("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7");
        check("fd00::1", &["[2001:db8::7]"], "2001:db8::7");
        check("10.0.0.1", &["127.0.0.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &["127.0.0.1, , 10.0.0.2"], "10.0.0.2");
        assert_eq!(client(&Extensions::new(), &HeaderMap::new(), &trusted), None);
    }
}
