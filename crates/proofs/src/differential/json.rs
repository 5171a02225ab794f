//! JSON texts made smaller, number formats and all. It owns where the values of a text begin and
//! end; it refuses to know what they mean.

/// A value in a text.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    /// With the name before it, if it has one.
    member: usize,
    /// The list or object around it, by its place among the values.
    around: Option<usize>,
}

/// The text with one value left out or replaced by a value within it, larger steps first.
pub(super) fn simpler(text: &str) -> Vec<String> {
    let values = values(text);
    let mut found: Vec<String> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if value.around.is_some() {
            found.push(without(text, *value));
        }
        let is_object = |value: &Span| text[value.start..].starts_with('{');
        for (inner, other) in values.iter().enumerate().skip(index + 1) {
            let is_within = other.end <= value.end;
            if is_within
                && is_object(value)
                && is_object(other)
                && is_grandchild(&values, index, inner)
            {
                let part = &text[other.start..other.end];
                found.push(format!(
                    "{}{part}{}",
                    &text[..value.start],
                    &text[value.end..]
                ));
            }
        }
    }
    found.sort_by_key(String::len);
    found
}

/// Whether a value stands at most two levels within another.
fn is_grandchild(values: &[Span], of: usize, inner: usize) -> bool {
    let around = values[inner].around;
    around == Some(of) || around.is_some_and(|around| values[around].around == Some(of))
}

/// The text without a value, its name and one comma beside it.
fn without(text: &str, value: Span) -> String {
    let (before, after) = (&text[..value.member], &text[value.end..]);
    let behind = after.trim_start().strip_prefix(',');
    match (behind, before.trim_end().strip_suffix(',')) {
        (Some(after), _) => format!("{before}{}", after.trim_start()),
        (None, without_comma) => format!("{}{after}", without_comma.unwrap_or(before)),
    }
}

/// All values of a text, each before those within it.
fn values(text: &str) -> Vec<Span> {
    let bytes = text.as_bytes();
    let (mut values, mut open): (Vec<Span>, Vec<usize>) = (Vec::new(), Vec::new());
    let (mut at, mut name) = (0, None);
    while let Some(byte) = bytes.get(at) {
        let start = at;
        match byte {
            b'}' | b']' => {
                at += 1;
                if let Some(index) = open.pop() {
                    values[index].end = at;
                }
                continue;
            }
            b'{' | b'[' => at += 1,
            b'"' => at = end_of_string(bytes, at),
            b',' | b':' | b' ' | b'\n' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            _ => {
                let is_part = |byte: &&u8| !b",:]} \n\t\r".contains(byte);
                at += bytes[at..].iter().take_while(is_part).count();
            }
        }
        let is_name = *byte == b'"' && text[at..].trim_start().starts_with(':');
        if is_name {
            name = Some(start);
            continue;
        }
        let around = open.last().copied();
        if matches!(byte, b'{' | b'[') {
            open.push(values.len());
        }
        values.push(Span {
            start,
            end: at,
            member: name.take().unwrap_or(start),
            around,
        });
    }
    values
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if at + 2 < bytes.len() => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::simpler;

    #[test]
    fn values_are_left_out_or_replaced_by_what_they_hold() {
        let text = r#"{"a": {"not": {"b": 1e3}}, "c": ["x,]", 2.0]}"#;
        let simpler = simpler(text);
        for expected in [
            r#"{"a": {"not": {"b": 1e3}}}"#,
            r#"{"c": ["x,]", 2.0]}"#,
            r#"{"a": {"b": 1e3}, "c": ["x,]", 2.0]}"#,
            r#"{"a": {"not": {"b": 1e3}}, "c": [2.0]}"#,
            r#"{"a": {"not": {"b": 1e3}}, "c": ["x,]"]}"#,
            r#"{"a": {"not": {}}, "c": ["x,]", 2.0]}"#,
            r#"{"not": {"b": 1e3}}"#,
        ] {
            assert!(
                simpler.iter().any(|text| text == expected),
                "{expected} {simpler:?}"
            );
        }
    }
}
