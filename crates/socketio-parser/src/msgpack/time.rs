//! Points in time, which MessagePack has and JSON has not.

use std::fmt;

/// A point in time.
///
/// It shows as JavaScript's `toJSON` writes a date: as a string such as `2020-02-29T12:34:56.789Z`, the form in which a
/// date arrives with the default format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    pub(super) fn from_millis(millis: i64) -> Option<Self> {
        let nanos = u32::try_from(millis.rem_euclid(1_000)).ok()? * NANOS_PER_MILLI;
        Self::new(millis.div_euclid(1_000), nanos)
    }

    /// The contents of MessagePack's own extension for timestamps.
    pub(super) fn from_extension(data: &[u8]) -> Option<Self> {
        if let Ok(seconds) = data.try_into().map(u32::from_be_bytes) {
            Self::new(seconds.into(), 0)
        } else if let Ok(both) = data.try_into().map(u64::from_be_bytes) {
            // 30 bits of nanoseconds, 34 bits of seconds.
            Self::new(i64::try_from(both & ((1 << 34) - 1)).ok()?, u32::try_from(both >> 34).ok()?)
        } else {
            let (nanos, seconds) = data.split_first_chunk()?;
            Self::new(i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes(*nanos))
        }
    }

    /// `None` for what JavaScript's `Date` can't be either.
    fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let is_valid = (-MAX_SECONDS..=MAX_SECONDS).contains(&seconds) && nanos < 1_000 * NANOS_PER_MILLI;
        is_valid.then_some(Self { seconds, nanos })
    }

    /// Milliseconds since 1970, as JavaScript counts them.
    pub(super) fn as_millis(self) -> i64 {
        self.seconds * 1_000 + i64::from(self.nanos / NANOS_PER_MILLI)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(SECONDS_PER_DAY));
        match year {
            0..=9_999 => write!(f, "{year:04}")?,
            _ => write!(f, "{year:+07}")?,
        }
        let of_day = self.seconds.rem_euclid(SECONDS_PER_DAY);
        let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.")?;
        match self.nanos % NANOS_PER_MILLI {
            0 => write!(f, "{:03}Z", self.nanos / NANOS_PER_MILLI),
            _ => write!(f, "{:09}Z", self.nanos),
        }
    }
}

/// The date that lies so many days after 1970-01-01, in the Gregorian calendar also before it was introduced.
///
/// Years begin in March here, so that a leap day is the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    // From 0000-03-01 on.
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_PER_ERA);
    let of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on alternate between 31 and 30 days, five of them having 153.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

const NANOS_PER_MILLI: u32 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// Four hundred years, after which the calendar repeats itself.
const DAYS_PER_ERA: i64 = 146_097;
/// A hundred million days, the bound of JavaScript's dates.
const MAX_SECONDS: i64 = 100_000_000 * SECONDS_PER_DAY;

#[cfg(test)]
mod tests {
    use super::*;

    /// The strings are what Node.js prints.
    #[test]
    fn dates_show_as_javascript_shows_them() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_582_979_696_789, "2020-02-29T12:34:56.789Z"),
            (1_583_020_800_000, "2020-03-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00.000Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
            (-62_167_219_200_001, "-000001-12-31T23:59:59.999Z"),
            (8_640_000_000_000_000, "+275760-09-13T00:00:00.000Z"),
            (-8_640_000_000_000_000, "-271821-04-20T00:00:00.000Z"),
        ] {
            let time = Timestamp::from_millis(millis).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(time.as_millis(), millis);
        }
        assert_eq!(Timestamp::from_millis(8_640_000_000_001_000), None);
        assert_eq!(Timestamp::from_millis(i64::MIN), None);
    }

    #[test]
    fn timestamps_have_three_lengths() {
        let seconds = 1_582_979_696_u32;
        let short = seconds.to_be_bytes();
        let middle = ((789_000_000_u64 << 34) | u64::from(seconds)).to_be_bytes();
        let long = [&789_000_001_u32.to_be_bytes()[..], &(-1_i64).to_be_bytes()].concat();
        for (data, text) in [
            (&short[..], "2020-02-29T12:34:56.000Z"),
            (&middle, "2020-02-29T12:34:56.789Z"),
            (&long, "1969-12-31T23:59:59.789000001Z"),
        ] {
            assert_eq!(Timestamp::from_extension(data).unwrap().to_string(), text);
        }
        let too_many_nanos = [&1_000_000_000_u32.to_be_bytes()[..], &[0; 8]].concat();
        assert_eq!(Timestamp::from_extension(&too_many_nanos), None);
        assert_eq!(Timestamp::from_extension(&[0; 5]), None);
        assert_eq!(Timestamp::from_extension(&[0xff; 12]), None);
    }
}
