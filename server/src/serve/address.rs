//! Whose request it is that a proxy passes on. Anybody can write a header, so only the proxies that the
//! settings name are believed, and of the header only what they have written: it is read from its end, as
//! far as those who wrote it are trusted.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::config::Settings;
use crate::config::value::ForwardedHeader;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who is believed, and which header they write. The other one is passed on by a proxy as the client wrote
/// it.
#[derive(Debug)]
pub(super) struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl Proxies {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { trusted: settings.trusted_proxies.0.clone(), header: settings.forwarded_header }
    }

    /// The address of the client: of the first one, from us on, who is no trusted proxy. What cannot be
    /// read ends the search at the last proxy.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let (name, read): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, address),
            ForwardedHeader::Forwarded => (header::FORWARDED, forwarded_for),
        };
        // A header that came in several lines is one list.
        let mut lines: Vec<_> = headers.get_all(name).iter().collect();
        while self.trusts(client) {
            let Some(line) = lines.pop() else { break };
            let Ok(line) = line.to_str() else { break };
            for hop in line.rsplit(',') {
                let Some(address) = read(hop.trim()) else { return client };
                client = address;
                if !self.trusts(client) {
                    return client;
                }
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// An address, which may have a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// The `for` of an element of RFC 7239, as in `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    address(quoted.unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.0.0.1";

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let proxies = Proxies { trusted: trusted.into(), header };
        let name = match header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        // What a client may have written, and no proxy has.
        let other = if name == "forwarded" { "x-forwarded-for" } else { "forwarded" };
        headers.append(other, "for=203.0.113.66".parse().unwrap());
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn m23_a_forwarded_address_is_believed_of_trusted_proxies_only() {
        let client = |peer, lines: &[&str]| client(ForwardedHeader::XForwardedFor, peer, lines);
        // Not of anybody else.
        assert_eq!(client("192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
        assert_eq!(client(PEER, &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("::ffff:10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("fd00::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(client(PEER, &[]), PEER);
        // What stands before the first address that is no proxy's, its client has written.
        assert_eq!(client(PEER, &["198.51.100.1, 203.0.113.7"]), "203.0.113.7");
        assert_eq!(client(PEER, &["10.0.0.9, 203.0.113.7, 10.0.0.2"]), "203.0.113.7");
        assert_eq!(
            client(PEER, &["198.51.100.1", "203.0.113.7,10.0.0.2", "10.0.0.3"]),
            "203.0.113.7"
        );
        assert_eq!(client(PEER, &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn m23_what_cannot_be_read_ends_at_the_last_proxy() {
        let client = |lines: &[&str]| client(ForwardedHeader::XForwardedFor, PEER, lines);
        for garbage in ["", "unknown", "203.0.113.7;", "1.2.3", "203.0.113.7,", "for=1.2.3.4"] {
            assert_eq!(client(&[garbage]), PEER, "{garbage:?}");
            assert_eq!(client(&[&format!("203.0.113.7, {garbage}, 10.0.0.2")]), "10.0.0.2");
        }
        for address in ["203.0.113.7:99", "::ffff:203.0.113.7", "[::ffff:203.0.113.7]:9"] {
            assert_eq!(client(&[address]), "203.0.113.7", "{address:?}");
        }
    }

    #[test]
    fn m23_forwarded_of_rfc_7239_is_read_where_the_settings_say_so() {
        let client = |lines: &[&str]| client(ForwardedHeader::Forwarded, PEER, lines);
        assert_eq!(client(&["for=203.0.113.7;proto=https"]), "203.0.113.7");
        assert_eq!(client(&["proto=http; For=\"203.0.113.7:80\", for=10.0.0.2"]), "203.0.113.7");
        assert_eq!(client(&["for=\"[2001:db8::1]:4711\""]), "2001:db8::1");
        for garbage in ["for=_hidden", "for=unknown", "by=203.0.113.7", "203.0.113.7", "for="] {
            assert_eq!(client(&[&format!("for=198.51.100.1, {garbage}")]), PEER, "{garbage}");
        }
    }
}
