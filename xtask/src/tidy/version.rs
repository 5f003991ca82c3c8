//! Version numbers, as far as the rules need them.

use std::fmt;

/// A version, without what follows the three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) [u64; 3]);

impl Version {
    /// Reads `1.88`, `1.44.2` or `0.3.0-rc.1+build`; parts that are not there are zero.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(['-', '+']).next()?;
        let mut version = [0; 3];
        for (i, part) in numbers.split('.').enumerate() {
            *version.get_mut(i)? = part.parse().ok()?;
        }
        Some(Self(version))
    }

    /// The versions that may replace each other share this: `1` for 1.2.3, `0.4` for 0.4.2.
    pub(super) fn line(self) -> [u64; 2] {
        match self.0 {
            [0, minor, _] => [0, minor],
            [major, ..] => [major, 0],
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("0.10.0") > version("0.9.3"));
        assert_eq!(version("1.88"), version("1.88.0+build"));
        assert_eq!((version("1.2.3").line(), version("0.4.2").line()), ([1, 0], [0, 4]));
        assert_eq!(Version::parse("1.x"), None);
        assert_eq!(Version::parse(""), None);
    }
}
