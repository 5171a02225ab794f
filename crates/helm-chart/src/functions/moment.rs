//! `time.Time` and its relatives as templates see them: objects with Go's methods.

use std::any::Any;

use go_text_template::{Function, Kind, Object, Type, Value, fmt};

use super::arguments::{any, int, string};
use super::date_format::{MONTHS, WEEKDAYS, format};
use super::duration::{GoDuration, SECOND};
use super::instant::{Civil, Instant, Zone};

/// The Go type of [`Moment`].
pub(super) const TIME: &str = "time.Time";

/// A `time.Time`.
#[derive(Clone, Debug)]
pub(crate) struct Moment(pub(crate) Instant);

impl Object for Moment {
    fn go_type(&self) -> &str {
        TIME
    }

    fn methods(&self) -> &'static [Function] {
        METHODS
    }

    fn print(&self) -> String {
        self.0.to_string()
    }

    fn is_stringer(&self) -> bool {
        true
    }

    fn print_go_syntax(&self) -> Option<String> {
        Some(go_syntax(&self.0))
    }

    fn deep_equal(&self, other: &dyn Object) -> bool {
        let other = (other as &dyn Any).downcast_ref::<Self>();
        other.is_some_and(|other| {
            self.0.key() == other.0.key() && self.0.offset() == other.0.offset()
        })
    }
}

/// An integer type of package `time` with a name for its values: `Month`, `Weekday`, `Duration`.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    go_type: &'static str,
    kind: Kind,
    number: i64,
    text: String,
}

impl Named {
    fn month(number: u32) -> Self {
        let text = MONTHS[number as usize - 1].to_owned();
        Self {
            go_type: "time.Month",
            kind: Kind::Int,
            number: i64::from(number),
            text,
        }
    }

    fn weekday(number: usize) -> Self {
        let text = WEEKDAYS[number].to_owned();
        Self {
            go_type: "time.Weekday",
            kind: Kind::Int,
            number: number as i64,
            text,
        }
    }

    /// A `time.Duration`.
    pub(super) fn duration(span: GoDuration) -> Self {
        Self {
            go_type: "time.Duration",
            kind: Kind::Int64,
            number: span.0,
            text: span.to_string(),
        }
    }

    /// The number, which Go's loose casts see for months and weekdays only.
    pub(super) fn number(&self) -> i64 {
        if self.kind == Kind::Int {
            self.number
        } else {
            0
        }
    }

    /// The number as JSON shows it.
    pub(super) fn plain(&self) -> i64 {
        self.number
    }
}

impl Object for Named {
    fn go_type(&self) -> &str {
        self.go_type
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn truth(&self) -> bool {
        self.number != 0
    }

    fn methods(&self) -> &'static [Function] {
        if self.go_type == "time.Duration" {
            DURATION_METHODS
        } else {
            &[STRING]
        }
    }

    fn print(&self) -> String {
        self.text.clone()
    }

    fn is_stringer(&self) -> bool {
        true
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::Int64(self.number))
    }

    fn deep_equal(&self, other: &dyn Object) -> bool {
        let other = (other as &dyn Any).downcast_ref::<Self>();
        other.is_some_and(|other| self.number == other.number)
    }
}

const STRING: Function =
    Function::new("String", &[], |_, args| Ok(any(args, 0).to_string().into()));

const DURATION_METHODS: &[Function] = &[
    STRING,
    Function::new("Nanoseconds", &[], |_, args| Ok(Value::Int64(span(args)))),
    Function::new("Microseconds", &[], |_, args| {
        Ok(Value::Int64(span(args) / 1_000))
    }),
    Function::new("Milliseconds", &[], |_, args| {
        Ok(Value::Int64(span(args) / 1_000_000))
    }),
    Function::new("Seconds", &[], |_, args| {
        Ok((span(args) as f64 / 1e9).into())
    }),
    Function::new("Minutes", &[], |_, args| {
        Ok((span(args) as f64 / 6e10).into())
    }),
    Function::new("Hours", &[], |_, args| {
        Ok((span(args) as f64 / 3.6e12).into())
    }),
];

fn span(args: &[Value]) -> i64 {
    any(args, 0).downcast::<Named>().map_or(0, Named::plain)
}

const METHODS: &[Function] = &[
    STRING,
    Function::new("GoString", &[], |_, args| {
        Ok(go_syntax(&instant(args, 0)?).into())
    }),
    Function::new("Format", &[Type::String], |_, args| {
        Ok(format(&instant(args, 0)?, &string(args, 1)?).into())
    }),
    Function::new("Unix", &[], |_, args| {
        Ok(Value::Int64(instant(args, 0)?.seconds))
    }),
    Function::new("UnixMilli", &[], |_, args| {
        Ok(scaled(&instant(args, 0)?, 1_000))
    }),
    Function::new("UnixMicro", &[], |_, args| {
        Ok(scaled(&instant(args, 0)?, 1_000_000))
    }),
    Function::new("UnixNano", &[], |_, args| {
        Ok(scaled(&instant(args, 0)?, SECOND))
    }),
    Function::new("Year", &[], |_, args| Ok(Value::Int(civil(args)?.year))),
    Function::new("Month", &[], |_, args| {
        Ok(Value::object(Named::month(civil(args)?.month)))
    }),
    Function::new("Day", &[], |_, args| {
        Ok(Value::Int(civil(args)?.day.into()))
    }),
    Function::new("YearDay", &[], |_, args| {
        Ok(Value::Int(civil(args)?.year_day()))
    }),
    Function::new("Weekday", &[], |_, args| {
        Ok(Value::object(Named::weekday(civil(args)?.weekday())))
    }),
    Function::new("Hour", &[], |_, args| {
        Ok(Value::Int(civil(args)?.hour.into()))
    }),
    Function::new("Minute", &[], |_, args| {
        Ok(Value::Int(civil(args)?.minute.into()))
    }),
    Function::new("Second", &[], |_, args| {
        Ok(Value::Int(civil(args)?.second.into()))
    }),
    Function::new("Nanosecond", &[], |_, args| {
        Ok(Value::Int(instant(args, 0)?.nanos.into()))
    }),
    Function::new("UTC", &[], |_, args| {
        Ok(Value::object(Moment(instant(args, 0)?.shown_in(Zone::Utc))))
    }),
    Function::new("IsZero", &[], |_, args| {
        Ok((instant(args, 0)?.key() == Instant::zero().key()).into())
    }),
    Function::new("Before", &[Type::Named(TIME)], |_, args| {
        Ok((instant(args, 0)?.key() < instant(args, 1)?.key()).into())
    }),
    Function::new("After", &[Type::Named(TIME)], |_, args| {
        Ok((instant(args, 0)?.key() > instant(args, 1)?.key()).into())
    }),
    Function::new("Equal", &[Type::Named(TIME)], |_, args| {
        Ok((instant(args, 0)?.key() == instant(args, 1)?.key()).into())
    }),
    Function::new("Sub", &[Type::Named(TIME)], |_, args| {
        Ok(Value::object(Named::duration(
            instant(args, 0)?.since(&instant(args, 1)?),
        )))
    }),
    Function::new("AddDate", &[Type::Int, Type::Int, Type::Int], |_, args| {
        let moved = add_date(
            &instant(args, 0)?,
            int(args, 1)?,
            int(args, 2)?,
            int(args, 3)?,
        );
        Ok(Value::object(Moment(moved)))
    }),
];

/// The instant at `index`.
pub(super) fn instant(
    args: &[Value],
    index: usize,
) -> Result<Instant, go_text_template::FunctionError> {
    let moment = any(args, index).downcast::<Moment>();
    moment
        .map(|moment| moment.0.clone())
        .ok_or_else(|| "not a time".into())
}

/// The call of `time.Date` that gives this instant.
fn go_syntax(instant: &Instant) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = instant.civil();
    let month = MONTHS[month as usize - 1];
    let zone = match &instant.zone {
        Zone::Utc => "time.UTC".to_owned(),
        Zone::Named(_) => "time.Local".to_owned(),
        Zone::Fixed { name, .. } => format!("time.Location({})", fmt::quote(name.as_bytes())),
    };
    let nanos = instant.nanos;
    format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanos}, {zone})")
}

fn civil(args: &[Value]) -> Result<Civil, go_text_template::FunctionError> {
    Ok(instant(args, 0)?.civil())
}

fn scaled(instant: &Instant, per_second: i64) -> Value {
    let part = i64::from(instant.nanos) / (SECOND / per_second);
    Value::Int64(instant.seconds.wrapping_mul(per_second).wrapping_add(part))
}

/// Moves the calendar date; days beyond the end of a month run into the next.
fn add_date(instant: &Instant, years: i64, months: i64, days: i64) -> Instant {
    let civil = instant.civil();
    let month = months.wrapping_add(i64::from(civil.month) - 1);
    let first = Civil {
        year: civil
            .year
            .wrapping_add(years)
            .wrapping_add(month.div_euclid(12)),
        month: month.rem_euclid(12) as u32 + 1,
        day: 1,
        ..civil
    };
    let ahead = (i64::from(civil.day) - 1)
        .wrapping_add(days)
        .wrapping_mul(86_400);
    let wall = Instant::from_unix(first.seconds().wrapping_add(ahead)).civil();
    Instant::from_civil(wall, instant.nanos, instant.zone.clone())
}
