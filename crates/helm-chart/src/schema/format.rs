//! [`Format`]: the forms of text that `format` names, as santhosh-tekuri/jsonschema v6 (`format.go`)
//! checks them, with the words in which it and Go's parsers refuse.

use std::net::Ipv6Addr;

use jiff::tz::TimeZone;

use crate::functions::{Pattern, Url, parse_time, parse_url};

/// A form of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Date,
    DateTime,
    Duration,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    JsonPointer,
    Period,
    Regex,
    RelativeJsonPointer,
    Semver,
    Time,
    Uri(&'static str),
    UriReference(&'static str),
    UriTemplate,
    Uuid,
}

type Refusal = Result<(), String>;

fn refuse<T>(why: &str) -> Result<T, String> {
    Err(why.to_owned())
}

impl Format {
    /// The form of this name; unknown names demand nothing.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "date-time" => Self::DateTime,
            "duration" => Self::Duration,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "json-pointer" => Self::JsonPointer,
            "period" => Self::Period,
            "regex" => Self::Regex,
            "relative-json-pointer" => Self::RelativeJsonPointer,
            "semver" => Self::Semver,
            "time" => Self::Time,
            "uri" => Self::Uri("uri"),
            "iri" => Self::Uri("iri"),
            "uri-reference" => Self::UriReference("uri-reference"),
            "iri-reference" => Self::UriReference("iri-reference"),
            "uri-template" => Self::UriTemplate,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::DateTime => "date-time",
            Self::Duration => "duration",
            Self::Email => "email",
            Self::Hostname => "hostname",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::JsonPointer => "json-pointer",
            Self::Period => "period",
            Self::Regex => "regex",
            Self::RelativeJsonPointer => "relative-json-pointer",
            Self::Semver => "semver",
            Self::Time => "time",
            Self::Uri(name) | Self::UriReference(name) => name,
            Self::UriTemplate => "uri-template",
            Self::Uuid => "uuid",
        }
    }

    /// # Errors
    /// Why the text has another form.
    pub(super) fn check(self, text: &str) -> Refusal {
        match self {
            Self::Date => date(text),
            Self::DateTime => date_time(text),
            Self::Duration => duration(text),
            Self::Email => email(text),
            Self::Hostname => hostname(text),
            Self::Ipv4 => ipv4(text),
            Self::Ipv6 => ipv6(text),
            Self::JsonPointer => json_pointer(text),
            Self::Period => period(text),
            Self::Regex => Pattern::compile(text).map(|_| ()),
            Self::RelativeJsonPointer => relative_json_pointer(text),
            Self::Semver => semver(text),
            Self::Time => time(text),
            Self::Uri(_) => match url(text)?.scheme() {
                "" => refuse("relative url"),
                _ => Ok(()),
            },
            Self::UriReference(_) if text.contains('\\') => refuse("contains \\"),
            Self::UriReference(_) => url(text).map(|_| ()),
            Self::UriTemplate => uri_template(text),
            Self::Uuid => uuid(text),
        }
    }
}

fn invalid_character(letter: char) -> Refusal {
    Err(format!("invalid character {}", rune(letter)))
}

/// Go's `%q` of a rune.
fn rune(letter: char) -> String {
    match letter {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => {
            let quoted = go_text_template::fmt::quote(other.to_string().as_bytes());
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

fn json_pointer(text: &str) -> Refusal {
    if text.is_empty() {
        return Ok(());
    }
    if !text.starts_with('/') {
        return refuse("not starting with /");
    }
    for token in text.split('/').skip(1) {
        let mut letters = token.chars();
        while let Some(letter) = letters.next() {
            if letter == '~' && !matches!(letters.next(), Some('0' | '1')) {
                return refuse("~ must be followed by 0 or 1");
            }
        }
    }
    Ok(())
}

fn relative_json_pointer(text: &str) -> Refusal {
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    match text.len() - rest.len() {
        0 => return refuse("must start with non-negative integer"),
        1 => {}
        _ if text.starts_with('0') => return refuse("starts with zero"),
        _ => {}
    }
    if rest == "#" {
        Ok(())
    } else {
        json_pointer(rest)
    }
}

fn uuid(text: &str) -> Refusal {
    const LENGTHS: [usize; 5] = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    if groups.len() != LENGTHS.len() {
        return Err(format!("must have {} elements", LENGTHS.len()));
    }
    for (index, (group, length)) in groups.iter().zip(LENGTHS).enumerate() {
        if group.len() != length {
            return Err(format!(
                "element {} must be {length} characters long",
                index + 1
            ));
        }
        if let Some(letter) = group.chars().find(|letter| !letter.is_ascii_hexdigit()) {
            return Err(format!("non-hex character {}", rune(letter)));
        }
    }
    Ok(())
}

/// The units of a duration before and after its `T`, in their order.
const UNITS: [&str; 2] = ["YMD", "HMS"];

fn duration(text: &str) -> Refusal {
    let Some(text) = text.strip_prefix('P') else {
        return refuse("must start with P");
    };
    if text.is_empty() {
        return refuse("nothing after P");
    }
    if let Some(weeks) = text.strip_suffix('W') {
        return match weeks {
            "" => refuse("no number in week"),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
            _ => refuse("invalid week"),
        };
    }
    for (index, part) in text.split('T').enumerate() {
        if index != 0 && part.is_empty() {
            return refuse("no time elements");
        }
        let Some(all) = UNITS.get(index) else {
            return refuse("more than one T");
        };
        let (mut units, mut rest) = (*all, part);
        while !rest.is_empty() {
            let after = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            if after.len() == rest.len() {
                return refuse("missing number");
            }
            let Some(&unit) = after.as_bytes().first() else {
                return refuse("missing unit");
            };
            let unit = char::from(unit);
            let Some(at) = units.find(unit) else {
                let quoted = rune(unit);
                return Err(if all.contains(unit) {
                    format!("unit {quoted} out of order")
                } else {
                    format!("invalid unit {quoted}")
                });
            };
            units = &units[at + 1..];
            rest = &after[1..];
        }
    }
    Ok(())
}

/// Go's `strconv.Atoi`, for texts without a sign of their own.
fn integer(text: &str) -> Result<i64, String> {
    let quoted = go_text_template::fmt::quote(text.as_bytes());
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("strconv.Atoi: parsing {quoted}: invalid syntax"));
    }
    let read = text.parse();
    read.map_err(|_| format!("strconv.Atoi: parsing {quoted}: value out of range"))
}

fn ipv4(text: &str) -> Refusal {
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return refuse("expected four decimals");
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return refuse("leading zeros");
        }
        if !(0..=255).contains(&integer(group)?) {
            return refuse("decimal must be between 0 and 255");
        }
    }
    Ok(())
}

fn ipv6(text: &str) -> Refusal {
    if !text.contains(':') {
        return refuse("missing colon");
    }
    let (address, zone) = text
        .split_once('%')
        .map_or((text, None), |(address, zone)| (address, Some(zone)));
    if address.parse::<Ipv6Addr>().is_err() || zone == Some("") {
        let quoted = go_text_template::fmt::quote(text.as_bytes());
        return Err(format!(
            "ParseAddr({quoted}): {}",
            address_fault(address, zone)
        ));
    }
    match zone {
        Some(_) => refuse("zone id is not a part of ipv6 address"),
        None => Ok(()),
    }
}

/// Why Go's `netip.ParseAddr` refuses what looks like an IPv6 address.
fn address_fault(address: &str, zone: Option<&str>) -> String {
    let quoted = |text: &str| go_text_template::fmt::quote(text.as_bytes());
    let at = |text: &str| format!(" (at {})", quoted(text));
    if zone == Some("") {
        return "zone must be a non-empty string".to_owned();
    }
    let (mut rest, mut fields, mut ellipsis) = (address, 0, None);
    if let Some(after) = rest.strip_prefix("::") {
        (rest, ellipsis) = (after, Some(0));
        if rest.is_empty() {
            return String::new();
        }
    }
    while fields < 16 {
        let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
        let length = rest.len() - digits.len();
        if length > 4 {
            return format!("each group must have 4 or less digits{}", at(rest));
        }
        if length == 0 {
            return format!(
                "each colon-separated field must have at least one digit{}",
                at(rest)
            );
        }
        if digits.starts_with('.') {
            if ellipsis.is_none() && fields != 12 {
                return format!(
                    "embedded IPv4 address must replace the final 2 fields of the address{}",
                    at(rest)
                );
            }
            if fields + 4 > 16 {
                return format!(
                    "too many hex fields to fit an embedded IPv4 at the end of the address{}",
                    at(rest)
                );
            }
            return "unable to parse IP".to_owned();
        }
        fields += 2;
        rest = digits;
        if rest.is_empty() {
            break;
        }
        if !rest.starts_with(':') {
            return format!("unexpected character, want colon{}", at(rest));
        }
        if rest.len() == 1 {
            return format!("colon must be followed by more characters{}", at(rest));
        }
        rest = &rest[1..];
        if let Some(after) = rest.strip_prefix(':') {
            if ellipsis.is_some() {
                return format!("multiple :: in address{}", at(rest));
            }
            (ellipsis, rest) = (Some(fields), after);
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return format!("trailing garbage after address{}", at(rest));
    }
    if fields < 16 && ellipsis.is_none() {
        return "address string too short".to_owned();
    }
    "the :: must expand to at least one field of zeros".to_owned()
}

fn hostname(text: &str) -> Refusal {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > 253 {
        return refuse("more than 253 characters long");
    }
    for label in text.split('.') {
        if label.is_empty() || label.len() > 63 {
            return refuse("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return refuse("label starts with hyphen");
        }
        if label.ends_with('-') {
            return refuse("label ends with hyphen");
        }
        let is_allowed = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
        if let Some(letter) = label.chars().find(|letter| !is_allowed(letter)) {
            return invalid_character(letter);
        }
    }
    Ok(())
}

fn email(text: &str) -> Refusal {
    if text.len() > 254 {
        return refuse("more than 255 characters long");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return refuse("missing @");
    };
    if local.len() > 64 {
        return refuse("local part more than 64 characters long");
    }
    if local.len() > 1 && local.starts_with('"') {
        let mut inner = local.chars();
        inner.next();
        inner.next_back();
        if inner.as_str().contains(['\\', '"']) {
            return refuse("backslash and quote are not allowed within quoted local part");
        }
    } else {
        if local.starts_with('.') {
            return refuse("starts with dot");
        }
        if local.ends_with('.') {
            return refuse("ends with dot");
        }
        if local.contains("..") {
            return refuse("consecutive dots");
        }
        let is_allowed = |letter: char| {
            letter.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(letter)
        };
        if let Some(letter) = local.chars().find(|letter| !is_allowed(*letter)) {
            return invalid_character(letter);
        }
    }
    if let Some(address) = domain
        .strip_prefix('[')
        .and_then(|domain| domain.strip_suffix(']'))
    {
        return match address.strip_prefix("IPv6:") {
            Some(address) => ipv6(address).map_err(|why| format!("invalid ipv6 address: {why}")),
            None => ipv4(address).map_err(|why| format!("invalid ipv4 address: {why}")),
        };
    }
    hostname(domain).map_err(|why| format!("invalid domain: {why}"))
}

fn date(text: &str) -> Refusal {
    parse_time("2006-01-02", text, &TimeZone::UTC).map(|_| ())
}

fn time(text: &str) -> Refusal {
    if text.len() < 9 {
        return refuse("less than 9 characters long");
    }
    let bytes = text.as_bytes();
    if bytes[2] != b':' || bytes[5] != b':' {
        return refuse("missing colon in correct place");
    }
    let Some((clock, mut rest)) = text.split_at_checked(8) else {
        return refuse("invalid hour/min/sec");
    };
    let mut parts = [0; 3];
    for (part, text) in parts.iter_mut().zip(clock.splitn(3, ':')) {
        *part = integer(text).map_err(|_| "invalid hour/min/sec")?;
        if *part < 0 {
            return refuse("non-positive hour/min/sec");
        }
    }
    let [mut hour, mut minute, second] = parts;
    if hour > 23 || minute > 59 || second > 60 {
        return refuse("hour/min/sec out of range");
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
        if rest.len() == fraction.len() {
            return refuse("no digits in second fraction");
        }
    }
    if rest != "z" && rest != "Z" {
        if rest.len() != 6 {
            return refuse("offset must be 6 characters long");
        }
        let sign = match rest.as_bytes()[0] {
            b'+' => -1,
            b'-' => 1,
            _ => return refuse("offset must begin with plus/minus"),
        };
        let offset = &rest[1..];
        if offset.as_bytes()[2] != b':' {
            return refuse("missing colon in offset in correct place");
        }
        let mut parts = [0; 2];
        for (part, text) in parts.iter_mut().zip(offset.splitn(2, ':')) {
            *part = integer(text).map_err(|_| "invalid hour/min in offset")?;
            if *part < 0 {
                return refuse("non-positive hour/min in offset");
            }
        }
        let [hours, minutes] = parts;
        if hours > 23 || minutes > 59 {
            return refuse("hour/min in offset out of range");
        }
        let mut of_day = hour * 60 + minute + sign * (hours * 60 + minutes);
        if of_day < 0 {
            of_day += 24 * 60;
        }
        (hour, minute) = (of_day / 60, of_day % 60);
    }
    if second >= 60 && (hour != 23 || minute != 59) {
        return refuse("invalid leap second");
    }
    Ok(())
}

fn date_time(text: &str) -> Refusal {
    if text.len() < 20 {
        return refuse("less than 20 characters long");
    }
    if !matches!(text.as_bytes()[10], b't' | b'T') {
        return refuse("11th character must be t or T");
    }
    date(&text[..10]).map_err(|why| format!("invalid date element: {why}"))?;
    time(&text[11..]).map_err(|why| format!("invalid time element: {why}"))
}

fn period(text: &str) -> Refusal {
    let Some((start, end)) = text.split_once('/') else {
        return refuse("missing slash");
    };
    let part = |text: &str, what: &str| {
        if text.starts_with('P') {
            duration(text).map_err(|why| format!("invalid {what} duration: {why}"))
        } else {
            date_time(text).map_err(|why| format!("invalid {what} date-time: {why}"))
        }
    };
    part(start, "start")?;
    if start.starts_with('P') {
        date_time(end).map_err(|why| format!("invalid end date-time: {why}"))
    } else {
        part(end, "end")
    }
}

fn url(text: &str) -> Result<Url, String> {
    let url = parse_url(text)?;
    let name = url.hostname();
    if name.contains(':') {
        if !url.host().contains('[') || !url.host().contains(']') {
            return refuse("ipv6 address not enclosed in brackets");
        }
        ipv6(name).map_err(|why| format!("invalid ipv6 address: {why}"))?;
    }
    Ok(url)
}

fn uri_template(text: &str) -> Refusal {
    url(text)?;
    // Go keeps the path as it was written only where its own way to write it differs.
    let end = text.find(['?', '#']).unwrap_or(text.len());
    for token in text[..end].split('/') {
        let mut is_open = false;
        for letter in token.chars() {
            match letter {
                '{' if is_open => return refuse("nested curly braces"),
                '}' if !is_open => return refuse("nested curly braces"),
                '{' | '}' => is_open = !is_open,
                _ => {}
            }
        }
        if is_open {
            return refuse("no matching closing brace");
        }
    }
    Ok(())
}

fn semver(text: &str) -> Refusal {
    let is_allowed = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let mut core = text;
    if let Some((before, build)) = core.split_once('+') {
        core = before;
        if build.is_empty() {
            return refuse("build is empty");
        }
        for identifier in build.split('.') {
            if identifier.is_empty() {
                return refuse("build identifier is empty");
            }
            if let Some(letter) = identifier.chars().find(|letter| !is_allowed(letter)) {
                return Err(format!(
                    "invalid character {} in build identifier",
                    rune(letter)
                ));
            }
        }
    }
    if let Some((before, release)) = core.split_once('-') {
        core = before;
        for identifier in release.split('.') {
            if identifier.is_empty() {
                return refuse("pre-release identifier is empty");
            }
            if let Some(letter) = identifier.chars().find(|letter| !is_allowed(letter)) {
                return Err(format!(
                    "invalid character {} in pre-release identifier",
                    rune(letter)
                ));
            }
            let is_number = identifier.bytes().all(|byte| byte.is_ascii_digit());
            if is_number && identifier.len() > 1 && identifier.starts_with('0') {
                return refuse("pre-release numeric identifier starts with zero");
            }
        }
    }
    let parts: Vec<&str> = core.split('.').collect();
    if parts.len() != 3 {
        return refuse("versionCore must have 3 numbers separated by dot");
    }
    for (name, part) in ["major", "minor", "patch"].iter().zip(parts) {
        if part.is_empty() {
            return Err(format!("{name} is empty"));
        }
        if part.len() > 1 && part.starts_with('0') {
            return Err(format!("{name} starts with zero"));
        }
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{name} contains non-digit"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn forms_are_refused_as_by_helms_validator() {
        for (name, text, answer) in [
            ("ipv4", "1.2.3.4", Ok(())),
            (
                "ipv4",
                "1.2.3.x",
                Err("strconv.Atoi: parsing \"x\": invalid syntax"),
            ),
            ("ipv6", "::1", Ok(())),
            (
                "ipv6",
                "a:b",
                Err("ParseAddr(\"a:b\"): address string too short"),
            ),
            ("uri", ":a", Err("parse \":a\": missing protocol scheme")),
            ("uri", "a/b", Err("relative url")),
            (
                "date",
                "2020-02-30",
                Err("parsing time \"2020-02-30\": day out of range"),
            ),
            ("date-time", "2020-01-01T23:59:60Z", Ok(())),
            (
                "date-time",
                "2020-01-01T10:59:60Z",
                Err("invalid time element: invalid leap second"),
            ),
            ("duration", "P1DT1H", Ok(())),
            ("duration", "P1M1Y", Err("unit 'Y' out of order")),
            ("email", "a b@c.d", Err("invalid character ' '")),
            (
                "hostname",
                "a..b",
                Err("label must be 1 to 63 characters long"),
            ),
            (
                "regex",
                "a(b",
                Err("error parsing regexp: missing closing ): `a(b`"),
            ),
            ("uuid", "x", Err("must have 5 elements")),
            (
                "semver",
                "1.2.3-rc.01",
                Err("pre-release numeric identifier starts with zero"),
            ),
            ("json-pointer", "/a~2", Err("~ must be followed by 0 or 1")),
            ("relative-json-pointer", "01", Err("starts with zero")),
            (
                "period",
                "P1D/x",
                Err("invalid end date-time: less than 20 characters long"),
            ),
        ] {
            let checked = Format::named(name).unwrap().check(text);
            assert_eq!(checked, answer.map_err(str::to_owned), "{name} {text}");
        }
        assert_eq!(Format::named("int64"), None);
    }
}
