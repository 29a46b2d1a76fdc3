//! Proxies: which of them are trusted, and how they tell whose request they pass on.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Value;

/// Networks, written one after the other with commas between them; an address is a network of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Value for Networks {
    fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let network: Option<IpNet> = part.parse().ok();
            let address = || part.parse().ok().map(|address: IpAddr| address.into());
            let network = network.or_else(address);
            network.ok_or_else(|| {
                let example = "give addresses or networks, as in 10.0.0.0/8,fd00::1";
                format!("has {part:?} in it, which is no network: {example}")
            })
        };
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }

    fn unset() -> Option<Self> {
        Some(Self::default())
    }
}

/// The header in which a proxy writes whose request it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// The usual one.
    XForwardedFor,
    /// That of RFC 7239.
    Forwarded,
}

impl Value for ForwardedHeader {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            "forwarded" => Ok(Self::Forwarded),
            _ => Err(String::from("is no header that is read: x-forwarded-for or forwarded")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_a_list() {
        let networks = |text| Networks::parse(text).map(|networks| networks.0.len());
        assert_eq!(networks(""), Ok(0));
        assert_eq!(networks("10.0.0.0/8"), Ok(1));
        assert_eq!(networks("10.0.0.1, fd00::/8,::1"), Ok(3));
        for wrong in ["here", "10.0.0.0/33", "10.0.0.1:80", "10.0.0.1 fd00::1"] {
            let why = Networks::parse(wrong).unwrap_err();
            assert!(why.contains("which is no network"), "{why}");
        }
    }
}
