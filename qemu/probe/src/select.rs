//! Choosing one of the probes that are plugged in.

use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// A probe that is plugged in. See the example of [`choose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeInfo {
    /// What it calls itself.
    pub name: String,
    /// USB vendor.
    pub vendor: u16,
    /// USB product.
    pub product: u16,
    /// Serial number, if it has one.
    pub serial: Option<String>,
    /// Whether this user may open it.
    pub allowed: bool,
}

impl fmt::Display for ProbeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, vendor, product, serial, .. } = self;
        write!(f, "{name} ({vendor:04x}:{product:04x}")?;
        if let Some(serial) = serial {
            write!(f, ":{serial}")?;
        }
        f.write_str(")")
    }
}

/// Which probe to take: `VID:PID` in hexadecimal digits, and maybe `:SERIAL`. See the example of [`choose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    vendor: u16,
    product: u16,
    serial: Option<String>,
}

impl Selector {
    fn fits(&self, probe: &ProbeInfo) -> bool {
        self.vendor == probe.vendor
            && self.product == probe.product
            && self.serial.as_ref().is_none_or(|serial| probe.serial.as_ref() == Some(serial))
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let mut id = || u16::from_str_radix(parts.next().unwrap_or_default(), 16).ok();
        let (Some(vendor), Some(product)) = (id(), id()) else {
            return Err("a probe is VID:PID or VID:PID:SERIAL, such as 0483:374b".to_owned());
        };
        let serial = parts.next().filter(|serial| !serial.is_empty()).map(str::to_owned);
        Ok(Self { vendor, product, serial })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)?;
        self.serial.as_ref().map_or(Ok(()), |serial| write!(f, ":{serial}"))
    }
}

/// The one probe that fits.
///
/// ```
/// use microhlo_probe::{Error, ProbeInfo, Selector, choose};
///
/// let probe = |product| ProbeInfo {
///     name: "ST-Link".to_owned(),
///     vendor: 0x0483,
///     product,
///     serial: None,
///     allowed: true,
/// };
/// let plugged_in = || vec![probe(0x374b), probe(0x3748)];
/// let selector: Selector = "0483:3748".parse().expect("a selector");
/// assert_eq!(choose(plugged_in(), Some(&selector))?, probe(0x3748));
/// let error = choose(plugged_in(), None).unwrap_err();
/// assert!(matches!(error, Error::Several { ref found } if found.len() == 2));
/// assert!(error.to_string().contains("ST-Link (0483:374b)"));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// There is none or more than one, or this user may not open it.
pub fn choose(probes: Vec<ProbeInfo>, selector: Option<&Selector>) -> Result<ProbeInfo, Error> {
    if probes.is_empty() {
        return Err(Error::NoProbe);
    }
    let fits = |probe: &&ProbeInfo| selector.is_none_or(|selector| selector.fits(probe));
    let mut found: Vec<ProbeInfo> = probes.iter().filter(fits).cloned().collect();
    match (found.pop(), found.is_empty(), selector) {
        (Some(probe), true, _) if probe.allowed => Ok(probe),
        (Some(probe), true, _) => Err(Error::NotAllowed { probe }),
        (None, _, Some(selector)) => {
            Err(Error::NotFound { selector: selector.clone(), found: probes })
        }
        (None, _, None) => Err(Error::NoProbe),
        (Some(last), false, _) => {
            found.push(last);
            Err(Error::Several { found })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(product: u16, serial: Option<&str>) -> ProbeInfo {
        let serial = serial.map(str::to_owned);
        ProbeInfo { name: "ST-Link V2-1".into(), vendor: 0x0483, product, serial, allowed: true }
    }

    #[test]
    fn a_probe_alone_needs_no_selector() {
        let one = probe(0x374b, Some("A1"));
        assert_eq!(choose(vec![one.clone()], None).unwrap(), one);
        assert!(matches!(choose(vec![], None), Err(Error::NoProbe)));
    }

    #[test]
    fn one_of_several_is_chosen_by_its_ids_and_serial_number() {
        let all =
            || vec![probe(0x374b, Some("A1")), probe(0x374b, Some("B:2")), probe(0x3748, None)];
        let by = |text: &str| choose(all(), Some(&text.parse().unwrap()));
        assert_eq!(by("0483:374b:B:2").unwrap().serial.as_deref(), Some("B:2"));
        assert_eq!(by("0483:3748").unwrap(), probe(0x3748, None));
        let text = by("0483:374B").unwrap_err().to_string();
        assert!(text.contains("2 debug probes fit") && text.contains("(0483:374b:A1)"), "{text}");
        let text = by("0483:374b:C").unwrap_err().to_string();
        assert!(text.starts_with("no debug probe is 0483:374b:C; there are:\n"), "{text}");
        assert_eq!(text.lines().count(), 4);
        assert!(matches!(choose(all(), None), Err(Error::Several { found }) if found.len() == 3));
    }

    #[test]
    fn a_probe_that_may_not_be_opened_says_how_to_allow_it() {
        let locked = ProbeInfo { allowed: false, ..probe(0x374b, None) };
        let text = choose(vec![locked], None).unwrap_err().to_string();
        assert!(text.contains("ST-Link V2-1 (0483:374b)") && text.contains("udev"), "{text}");
    }

    #[test]
    fn what_names_no_probe_is_an_error() {
        for text in ["", "0483", "0483:", "0483:374b1", "x:y", "0483:-1"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
        assert_eq!("0483:374B:".parse::<Selector>().unwrap().to_string(), "0483:374b");
    }
}
