//! The words of random schemas and values. It refuses to combine them.

/// What `$schema` says, and the draft that it means.
pub(super) const DRAFTS: [(&str, u16); 12] = [
    ("", 2020),
    ("", 2020),
    ("http://json-schema.org/draft-07/schema#", 7),
    ("http://json-schema.org/draft-07/schema#", 7),
    ("http://json-schema.org/draft-07/schema", 7),
    ("https://json-schema.org/draft/2020-12/schema", 2020),
    ("https://json-schema.org/draft/2020-12/schema", 2020),
    ("https://json-schema.org/draft/2019-09/schema", 2019),
    ("http://json-schema.org/draft-06/schema#", 6),
    ("http://json-schema.org/draft-04/schema#", 4),
    ("http://json-schema.org/schema#", 2020),
    ("https://json-schema.org/draft-07/schema#", 7),
];

/// Names of properties.
pub(super) const NAMES: [&str; 9] = ["a", "b", "c", "d", "image", "x-y", "é", "a/b", "it's"];

/// Texts, as JSON escapes them.
pub(super) const TEXTS: [&str; 22] = [
    "",
    "a",
    "ab",
    "abc",
    "yes",
    "1",
    "10Gi",
    "500m",
    "it's",
    "say \\\"hi\\\"",
    "日本",
    "tab\\t",
    "http://example.com/a",
    "example.com",
    "me@example.com",
    "10.0.0.1",
    "::1",
    "2001-12-14",
    "12:30:00Z",
    "2001-12-14T21:59:43Z",
    "P1D",
    "/a/0",
];

/// Numbers as they are written.
pub(super) const NUMBERS: [&str; 24] = [
    "0",
    "1",
    "2",
    "3",
    "5",
    "10",
    "-1",
    "1.5",
    "0.1",
    "-2.25",
    "1.0",
    "1e3",
    "1E+2",
    "100",
    "999",
    "1000",
    "1234567",
    "12345.678",
    "1e21",
    "1.50",
    "9007199254740993",
    "0.00001",
    "123456789012",
    "-0.0",
];

/// Formats, known and unknown.
pub(super) const FORMATS: [&str; 26] = [
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
    "period",
    "semver",
    "int32",
    "double",
    "byte",
    "unknown",
    "quantity",
];

/// Patterns, as JSON escapes them; the last two are none.
pub(super) const PATTERNS: [&str; 13] = [
    "^[a-z]+$",
    "^a",
    "b$",
    "^\\\\d+(\\\\.\\\\d+)?$",
    "^$|^[0-9]+[KMGT]i?$",
    "\\\\w",
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "^.{1,3}$",
    "",
    "\\\\p{L}",
    "(?i)YES",
    "a(b",
    "(?=a)",
];

/// Types.
pub(super) const TYPES: [&str; 7] = [
    "string", "integer", "number", "boolean", "array", "object", "null",
];
