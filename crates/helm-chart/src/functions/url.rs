//! URLs into their parts and back, as Go's `net/url` 1.26 does it.

use std::fmt::Write;
use std::net::Ipv6Addr;

use go_text_template::{FunctionError, Map, Type, Value, fmt};

use super::arguments::{map, text};
use super::entry::Entry;

/// URL functions.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "urlParse",
        &[Type::String],
        |_, args| {
            let source = text(args, 0)?.to_str();
            let url = parse(&source)
                .map_err(|error| FunctionError::new(format!("unable to parse url: {error}")))?;
            Ok(url.into_dict())
        },
        "The parts of a URL: scheme, userinfo, host, hostname, path, query, fragment, opaque.",
    ),
    Entry::new(
        "urlJoin",
        &[Type::Map],
        |_, args| join(map(args, 0)?).map(Value::from),
        "The URL of such parts.",
    ),
];

/// Which characters a part of a URL may hold unescaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    User,
    Fragment,
}

impl Part {
    fn allows(self, byte: u8) -> bool {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            return true;
        }
        match self {
            Self::Path => b"$&+,/:;=@".contains(&byte),
            Self::Host | Self::Zone => b"!$&'()*+,;=:[]<>\"".contains(&byte),
            Self::User => b"$&+,;=".contains(&byte),
            Self::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
        }
    }
}

/// The parts of a URL.
#[derive(Debug, Default)]
pub(crate) struct Url {
    scheme: String,
    opaque: String,
    user: Option<(String, Option<String>)>,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

/// Parses a URL or a reference.
/// Reads a URL, or a reference to one.
///
/// # Errors
/// Go's text: `parse ":a": missing protocol scheme`.
pub(crate) fn parse(source: &str) -> Result<Url, String> {
    let (before, fragment) = source.split_once('#').unwrap_or((source, ""));
    let failed =
        |what: &str, error: String| format!("parse {}: {error}", fmt::quote(what.as_bytes()));
    let mut url = parse_without_fragment(before).map_err(|error| failed(before, error))?;
    url.fragment = unescape(fragment, Part::Fragment).map_err(|error| failed(source, error))?;
    Ok(url)
}

fn parse_without_fragment(source: &str) -> Result<Url, String> {
    if source.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if source == "*" {
        return Ok(Url {
            path: "*".to_owned(),
            ..Url::default()
        });
    }
    let (scheme, rest) = split_scheme(source)?;
    let mut url = Url {
        scheme: scheme.to_lowercase(),
        ..Url::default()
    };
    let (mut rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    query.clone_into(&mut url.query);
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Ok(url);
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if let Some(after) = rest.strip_prefix("//")
        && (!url.scheme.is_empty() || !after.starts_with('/'))
    {
        let end = after.find('/').unwrap_or(after.len());
        url.read_authority(&after[..end])?;
        rest = &after[end..];
    }
    url.path = unescape(rest, Part::Path)?;
    Ok(url)
}

/// The scheme before the first colon, if what stands there can be one.
fn split_scheme(source: &str) -> Result<(&str, &str), String> {
    for (at, letter) in source.char_indices() {
        match letter {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&source[..at], &source[at + 1..])),
            _ => break,
        }
    }
    Ok(("", source))
}

impl Url {
    fn read_authority(&mut self, authority: &str) -> Result<(), String> {
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        self.host = parse_host(&self.scheme, host)?;
        if let Some(userinfo) = userinfo {
            self.user = Some(parse_userinfo(userinfo)?);
        }
        Ok(())
    }

    /// Empty where it is a reference.
    #[cfg(feature = "schema")]
    pub(crate) fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The path, decoded.
    #[cfg(feature = "schema")]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The host with its port.
    #[cfg(feature = "schema")]
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The host without brackets and port.
    pub(crate) fn hostname(&self) -> &str {
        let host = match self.host.rfind(':') {
            Some(at) if is_port(&self.host[at..]) => &self.host[..at],
            _ => &self.host,
        };
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    fn userinfo(&self) -> String {
        match &self.user {
            None => String::new(),
            Some((name, None)) => escape(name, Part::User),
            Some((name, Some(password))) => format!(
                "{}:{}",
                escape(name, Part::User),
                escape(password, Part::User)
            ),
        }
    }

    fn into_dict(self) -> Value {
        let (hostname, userinfo) = (self.hostname().to_owned(), self.userinfo());
        Value::map([
            ("fragment", self.fragment),
            ("host", self.host),
            ("hostname", hostname),
            ("opaque", self.opaque),
            ("path", self.path),
            ("query", self.query),
            ("scheme", self.scheme),
            ("userinfo", userinfo),
        ])
    }

    fn to_text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut out);
        } else {
            out.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escape(&self.fragment, Part::Fragment));
        }
        out
    }

    fn write_hierarchy(&self, out: &mut String) {
        let has_host = !self.host.is_empty() || self.user.is_some();
        if has_host || (!self.scheme.is_empty() && !self.path.is_empty()) {
            out.push_str("//");
        }
        if self.user.is_some() {
            out.push_str(&self.userinfo());
            out.push('@');
        }
        out.push_str(&escape(&self.host, Part::Host));
        let path = if self.path == "*" {
            "*".to_owned()
        } else {
            escape(&self.path, Part::Path)
        };
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            out.push('/');
        }
        if out.is_empty()
            && path
                .split('/')
                .next()
                .is_some_and(|segment| segment.contains(':'))
        {
            out.push_str("./");
        }
        out.push_str(&path);
    }
}

fn parse_userinfo(userinfo: &str) -> Result<(String, Option<String>), String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !userinfo.bytes().all(valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    match userinfo.split_once(':') {
        None => Ok((unescape(userinfo, Part::User)?, None)),
        Some((name, password)) => Ok((
            unescape(name, Part::User)?,
            Some(unescape(password, Part::User)?),
        )),
    }
}

/// Whether `text` is empty or a colon with digits.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_host(scheme: &str, host: &str) -> Result<String, String> {
    let bad_port = |port: &str| {
        Err(format!(
            "invalid port {} after host",
            fmt::quote(port.as_bytes())
        ))
    };
    match host.rfind('[') {
        Some(0) => {
            let close = host.rfind(']').ok_or("missing ']' in host")?;
            let port = &host[close + 1..];
            if !is_port(port) {
                return bad_port(port);
            }
            let address = unescape_literal(&host[1..close])?;
            let plain = address.split('%').next().unwrap_or_default();
            if plain.parse::<Ipv6Addr>().is_err() {
                if plain.parse::<std::net::Ipv4Addr>().is_ok() {
                    return Err("invalid IP-literal".to_owned());
                }
                let quoted = fmt::quote(address.as_bytes());
                return Err(format!(
                    "invalid host: ParseAddr({quoted}): unable to parse IP"
                ));
            }
            return Ok(format!("[{address}]{port}"));
        }
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {}
    }
    let strict = scheme == "http" || scheme == "https";
    if let Some(colon) = if strict {
        host.find(':')
    } else {
        host.rfind(':')
    } && !is_port(&host[colon..])
    {
        return bad_port(&host[colon..]);
    }
    unescape(host, Part::Host)
}

/// An address between brackets, whose zone (after `%25`) follows rules of its own.
fn unescape_literal(address: &str) -> Result<String, String> {
    match address.find("%25") {
        Some(zone) => {
            Ok(unescape(&address[..zone], Part::Host)? + &unescape(&address[zone..], Part::Zone)?)
        }
        None => unescape(address, Part::Host),
    }
}

/// Go's `url.PathUnescape`.
///
/// # Errors
/// Go's text: `invalid URL escape "%zz"`.
#[cfg(feature = "schema")]
pub(crate) fn unescape_path(source: &str) -> Result<String, String> {
    unescape(source, Part::Path)
}

fn unescape(source: &str, part: Part) -> Result<String, String> {
    let bytes = source.as_bytes();
    let is_host = part == Part::Host || part == Part::Zone;
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            if is_host && byte.is_ascii() && !part.allows(*byte) {
                let quoted = fmt::quote(&[*byte]);
                return Err(format!("invalid character {quoted} in host name"));
            }
            out.push(*byte);
            at += 1;
            continue;
        }
        let escape = &bytes[at..bytes.len().min(at + 3)];
        let refuse = || Err(format!("invalid URL escape {}", fmt::quote(escape)));
        let digits = escape
            .get(1..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let plain = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(value) = plain.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return refuse();
        };
        if part == Part::Host && value < 0x80 && escape != b"%25" {
            return refuse();
        }
        if part == Part::Zone && escape != b"%25" && value != b' ' && !Part::Host.allows(value) {
            return refuse();
        }
        out.push(value);
        at += 3;
    }
    Ok(String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn escape(source: &str, part: Part) -> String {
    let mut out = String::with_capacity(source.len());
    for byte in source.bytes() {
        if part.allows(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn join(parts: &Map) -> Result<String, FunctionError> {
    let part = |key: &str| match parts.get(key) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.to_str().into_owned()),
        Some(Value::Nil) => Err(FunctionError::new(super::arguments::NIL_POINTER)),
        Some(other) => Err(FunctionError::new(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind().name()
        ))),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        user: None,
    };
    let userinfo = part("userinfo")?;
    if !userinfo.is_empty() {
        let parsed = parse(&format!("proto://{userinfo}@host")).map_err(|error| {
            FunctionError::new(format!("unable to parse userinfo in dict: {error}"))
        })?;
        url.user = parsed.user;
    }
    Ok(url.to_text())
}
