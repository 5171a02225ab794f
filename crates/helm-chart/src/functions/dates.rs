//! Dates and durations. Formats are Go reference layouts.
//!
//! The time comes from the environment of the render; a value that is no time stands for the
//! current one, as in sprig.

use go_text_template::{FunctionError, Purity, Scope, Type, Value};
use jiff::tz::TimeZone;

use super::arguments::{Answer, any, string, tape};
use super::casts::decimal_prefixless;
use super::date_format::format;
use super::date_parse::parse;
use super::duration::GoDuration;
use super::entry::Entry;
use super::instant::{Instant, Zone};
use super::moment::{Moment, TIME, instant};

const HTML: &str = "2006-01-02";

const IN_ZONE: Entry = Entry::new(
    "dateInZone",
    &[Type::String, Type::Any, Type::String],
    |scope, args| {
        shown(
            scope,
            "dateInZone",
            &string(args, 0)?,
            any(args, 1),
            &string(args, 2)?,
        )
    },
    "A time by a layout, as seen in a zone; an unknown zone is UTC.",
)
.purity(Purity::Clock);

const MODIFY: Entry = Entry::new(
    "dateModify",
    &[Type::String, Type::Named(TIME)],
    |_, args| {
        let moment = instant(args, 1)?;
        let moved = GoDuration::parse(&string(args, 0)?).map(|span| moment.clone().plus(span));
        Ok(Value::object(Moment(moved.unwrap_or(moment))))
    },
    "The time moved by a duration; a bad duration moves nothing.",
);

const MUST_MODIFY: Entry = Entry::new(
    "mustDateModify",
    &[Type::String, Type::Named(TIME)],
    |_, args| {
        Ok(Value::object(Moment(
            instant(args, 1)?.plus(GoDuration::parse(&string(args, 0)?)?),
        )))
    },
    "The time moved by a duration.",
);

/// Date functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "now",
        &[],
        |scope, _| Ok(Value::object(Moment(current(scope, "now")?))),
        "The current time in the local zone.",
    )
    .purity(Purity::Clock),
    Entry::new(
        "date",
        &[Type::String, Type::Any],
        |scope, args| shown(scope, "date", &string(args, 0)?, any(args, 1), "Local"),
        "A time (or seconds since 1970) by a layout, in the local zone.",
    )
    .purity(Purity::Clock),
    IN_ZONE,
    IN_ZONE.named("date_in_zone"),
    Entry::new(
        "htmlDate",
        &[Type::Any],
        |scope, args| shown(scope, "htmlDate", HTML, any(args, 0), "Local"),
        "The date of a time as year-month-day, in the local zone.",
    )
    .purity(Purity::Clock),
    Entry::new(
        "htmlDateInZone",
        &[Type::Any, Type::String],
        |scope, args| {
            shown(
                scope,
                "htmlDateInZone",
                HTML,
                any(args, 0),
                &string(args, 1)?,
            )
        },
        "The date of a time as year-month-day, in a zone.",
    )
    .purity(Purity::Clock),
    MODIFY,
    MODIFY.named("date_modify"),
    MUST_MODIFY,
    MUST_MODIFY.named("must_date_modify"),
    Entry::new(
        "toDate",
        &[Type::String, Type::String],
        |scope, args| {
            let parsed = parse(&string(args, 0)?, &string(args, 1)?, &local(scope)?);
            Ok(Value::object(Moment(
                parsed.unwrap_or_else(|_| Instant::zero()),
            )))
        },
        "The time a text holds by a layout; the zero time if it does not.",
    ),
    Entry::new(
        "mustToDate",
        &[Type::String, Type::String],
        |scope, args| {
            Ok(Value::object(Moment(parse(
                &string(args, 0)?,
                &string(args, 1)?,
                &local(scope)?,
            )?)))
        },
        "The time a text holds by a layout.",
    ),
    Entry::new(
        "unixEpoch",
        &[Type::Named(TIME)],
        |_, args| Ok(instant(args, 0)?.seconds.to_string().into()),
        "Seconds since 1970, as text.",
    ),
    Entry::new(
        "ago",
        &[Type::Any],
        |scope, args| ago(scope, any(args, 0)),
        "How long ago a time was, in whole seconds.",
    )
    .purity(Purity::Clock),
    Entry::new(
        "duration",
        &[Type::Any],
        |_, args| {
            let seconds = match any(args, 0) {
                Value::Int64(seconds) => *seconds,
                Value::String(text) => decimal_prefixless(&text.to_str()),
                _ => 0,
            };
            Ok(GoDuration::from_seconds(seconds).to_string().into())
        },
        "Seconds (an int64 or text) as a duration.",
    ),
    Entry::new(
        "durationRound",
        &[Type::Any],
        |scope, args| duration_round(scope, any(args, 0)),
        "A duration, or the time since a time, in its largest unit.",
    )
    .purity(Purity::Clock),
];

fn local(scope: &mut Scope<'_>) -> Result<TimeZone, FunctionError> {
    Ok(tape(scope)?.zone().clone())
}

fn current(scope: &mut Scope<'_>, function: &'static str) -> Result<Instant, FunctionError> {
    let template = scope.template_name().to_owned();
    let tape = tape(scope)?;
    let now = tape.now(&template, function);
    Ok(Instant::from_timestamp(
        now,
        Zone::Named(tape.zone().clone()),
    ))
}

/// The instant a value stands for; none for what is no time.
fn moment_of(value: &Value) -> Option<Instant> {
    match value {
        Value::Int(seconds) | Value::Int64(seconds) => Some(Instant::from_unix(*seconds)),
        Value::Int32(seconds) => Some(Instant::from_unix(i64::from(*seconds))),
        _ => value.downcast::<Moment>().map(|moment| moment.0.clone()),
    }
}

fn shown(
    scope: &mut Scope<'_>,
    function: &'static str,
    layout: &str,
    value: &Value,
    zone: &str,
) -> Answer {
    let moment = match moment_of(value) {
        Some(moment) => moment,
        None => current(scope, function)?,
    };
    let zone = Zone::load(zone, &local(scope)?).unwrap_or(Zone::Utc);
    Ok(format(&moment.shown_in(zone), layout).into())
}

fn ago(scope: &mut Scope<'_>, value: &Value) -> Answer {
    let now = current(scope, "ago")?;
    // Unlike `date`, sprig does not know an int32 here.
    let then = if matches!(value, Value::Int32(_)) {
        None
    } else {
        moment_of(value)
    };
    let passed = now.since(&then.unwrap_or_else(|| now.clone()));
    Ok(passed.rounded_to_second().to_string().into())
}

fn duration_round(scope: &mut Scope<'_>, value: &Value) -> Answer {
    let span = match value {
        Value::Int64(nanos) => GoDuration(*nanos),
        Value::String(text) => GoDuration::parse(&text.to_str()).unwrap_or(GoDuration(0)),
        other => match other.downcast::<Moment>() {
            Some(moment) => current(scope, "durationRound")?.since(&moment.0),
            None => GoDuration(0),
        },
    };
    Ok(span.largest_unit().into())
}
