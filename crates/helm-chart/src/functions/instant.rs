//! Go's `time.Time`: an instant with the zone it is shown in.
//!
//! Owns calendar arithmetic (proleptic Gregorian, any year an `i64` of seconds can reach) and zone
//! lookup, which it borrows from `jiff`. It never reads a clock: the current time and the local
//! zone come from [`crate::Environment`].

use jiff::{Timestamp, tz::TimeZone};

use super::duration::{GoDuration, SECOND};

const DAY: i64 = 86_400;
/// Seconds from the Unix epoch to Go's zero time, year 1.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// The zone an instant is shown in.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// Coordinated universal time.
    Utc,
    /// A constant offset in seconds, with the name it was parsed with (may be empty).
    Fixed {
        /// Seconds east of UTC.
        offset: i32,
        /// Abbreviation; empty prints the offset instead.
        name: String,
    },
    /// A zone of the time zone database.
    Named(TimeZone),
}

impl Zone {
    /// The zone called `name` as Go's `time.LoadLocation` finds it: `""` and `UTC` are UTC,
    /// `Local` is `local`.
    pub(crate) fn load(name: &str, local: &TimeZone) -> Option<Self> {
        match name {
            "" | "UTC" => Some(Self::Utc),
            "Local" => Some(Self::Named(local.clone())),
            _ => {
                // Go joins the name to a folder of zone files, so the database's own spelling
                // is the only one that works.
                let zone = TimeZone::get(name).ok()?;
                (zone.iana_name() == Some(name)).then_some(Self::Named(zone))
            }
        }
    }

    /// Offset in seconds and abbreviation at `seconds` since the epoch.
    pub(super) fn at(&self, seconds: i64) -> (i32, String) {
        match self {
            Self::Utc => (0, "UTC".to_owned()),
            Self::Fixed { offset, name } => (*offset, name.clone()),
            Self::Named(zone) => {
                let (low, high) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let nearest = Timestamp::from_second(seconds.clamp(low, high)).unwrap_or_default();
                let info = zone.to_offset_info(nearest);
                (info.offset().seconds(), info.abbreviation().to_owned())
            }
        }
    }
}

/// A date and a time of day, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u32,
    /// 1 to 31.
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
}

impl Civil {
    /// Day of the year, from 1.
    pub(super) fn year_day(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
            .wrapping_sub(days_from_civil(self.year, 1, 1))
            .wrapping_add(1)
    }

    /// Day of the week, Sunday is 0.
    pub(super) fn weekday(&self) -> usize {
        days_from_civil(self.year, self.month, self.day)
            .wrapping_add(4)
            .rem_euclid(7) as usize
    }

    /// Seconds since the epoch if the clock shows UTC.
    pub(super) fn seconds(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
            .wrapping_mul(DAY)
            .wrapping_add(i64::from(self.hour * 3600 + self.minute * 60 + self.second))
    }
}

/// An instant, in nanoseconds, and the zone it is shown in.
#[derive(Clone, Debug)]
pub(crate) struct Instant {
    /// Seconds since the Unix epoch.
    pub(crate) seconds: i64,
    /// Nanoseconds within the second.
    pub(crate) nanos: u32,
    /// Where it is shown.
    pub(crate) zone: Zone,
}

impl Instant {
    /// Go's zero time: 1 January of year 1, UTC.
    pub(crate) fn zero() -> Self {
        Self {
            seconds: ZERO_SECONDS,
            nanos: 0,
            zone: Zone::Utc,
        }
    }

    /// `seconds` after the Unix epoch, in UTC until [`Self::shown_in`] says otherwise.
    pub(crate) fn from_unix(seconds: i64) -> Self {
        Self {
            seconds,
            nanos: 0,
            zone: Zone::Utc,
        }
    }

    /// `timestamp`, shown in `zone`.
    pub(crate) fn from_timestamp(timestamp: Timestamp, zone: Zone) -> Self {
        let nanos = i64::from(timestamp.subsec_nanosecond());
        Self {
            seconds: timestamp.as_second() - i64::from(nanos < 0),
            nanos: nanos.rem_euclid(SECOND) as u32,
            zone,
        }
    }

    /// What a clock in `zone` shows, as an instant. A time that the zone skips or repeats is read
    /// as Go's `time.Date` reads it, by looking the offset up twice.
    pub(super) fn from_civil(civil: Civil, nanos: u32, zone: Zone) -> Self {
        let wall = civil.seconds();
        let (guess, _) = zone.at(wall);
        let (offset, _) = zone.at(wall.wrapping_sub(i64::from(guess)));
        let offset = if guess == 0 { 0 } else { offset };
        Self {
            seconds: wall.wrapping_sub(i64::from(offset)),
            nanos,
            zone,
        }
    }

    /// The same instant, shown in `zone`.
    #[must_use]
    pub(crate) fn shown_in(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// This instant moved by `duration`.
    #[must_use]
    pub(crate) fn plus(mut self, duration: GoDuration) -> Self {
        let nanos = i64::from(self.nanos) + duration.0.rem_euclid(SECOND);
        self.seconds = self
            .seconds
            .wrapping_add(duration.0.div_euclid(SECOND))
            .wrapping_add(nanos.div_euclid(SECOND));
        self.nanos = nanos.rem_euclid(SECOND) as u32;
        self
    }

    /// Time from `earlier` to this instant, saturating as in Go.
    pub(crate) fn since(&self, earlier: &Self) -> GoDuration {
        let nanos = (i128::from(self.seconds) - i128::from(earlier.seconds)) * i128::from(SECOND)
            + i128::from(self.nanos)
            - i128::from(earlier.nanos);
        GoDuration(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// Offset in seconds and abbreviation of the zone at this instant.
    pub(super) fn offset(&self) -> (i32, String) {
        self.zone.at(self.seconds)
    }

    /// What a clock in the zone shows.
    pub(super) fn civil(&self) -> Civil {
        let local = self.seconds.wrapping_add(i64::from(self.offset().0));
        let (year, month, day) = civil_from_days(local.div_euclid(DAY));
        let rest = local.rem_euclid(DAY) as u32;
        Civil {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// Seconds and nanoseconds, the same for the same instant in any zone.
    pub(crate) fn key(&self) -> (i64, u32) {
        (self.seconds, self.nanos)
    }
}

/// Days in `month` of `year`.
pub(super) fn days_in(month: u32, year: i64) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether `year` has a 29 February.
pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day comes last.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = year.wrapping_sub(i64::from(month <= 2));
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era.wrapping_mul(146_097).wrapping_add(day_of_era - 719_468)
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days.wrapping_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = (month_from_march as u32 + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{Civil, Instant, Zone};
    use jiff::tz::TimeZone;

    #[test]
    fn civil_dates_go_there_and_back() {
        for seconds in [
            0,
            -1,
            1_709_164_800,
            -62_135_596_800,
            253_402_300_800,
            4_107_542_400,
        ] {
            let instant = Instant::from_unix(seconds);
            assert_eq!(instant.civil().seconds(), seconds);
        }
    }

    #[test]
    fn skipped_and_repeated_hours_are_read_as_in_go() {
        let shown = |zone: &str, month, day, hour| {
            let zone = Zone::Named(TimeZone::get(zone).unwrap());
            let civil = Civil {
                year: 2024,
                month,
                day,
                hour,
                minute: 30,
                second: 0,
            };
            Instant::from_civil(civil, 0, zone).to_string()
        };
        assert_eq!(
            shown("Europe/Berlin", 10, 27, 2),
            "2024-10-27 02:30:00 +0100 CET"
        );
        assert_eq!(
            shown("Europe/Berlin", 3, 31, 2),
            "2024-03-31 03:30:00 +0200 CEST"
        );
        assert_eq!(
            shown("America/New_York", 11, 3, 1),
            "2024-11-03 01:30:00 -0400 EDT"
        );
        assert_eq!(
            shown("America/New_York", 3, 10, 2),
            "2024-03-10 01:30:00 -0500 EST"
        );
    }

    #[test]
    fn zone_names_are_case_sensitive() {
        assert!(Zone::load("europe/berlin", &TimeZone::UTC).is_none());
        assert!(Zone::load("Europe/Berlin", &TimeZone::UTC).is_some());
    }
}
