//! One rendered file into documents, as each Helm does it.

use memchr::memmem::Finder;

use crate::Profile;

/// Splits a text into documents, leaving out blank ones.
///
/// Helm 4.2.4 splits where a line begins with `---` and trims documents on the left only. Helm 3
/// splits after a line break, swallows white space around the marker and trims both ends.
pub fn split_documents(text: &str, profile: Profile) -> Vec<&str> {
    match profile {
        Profile::Helm4 => split_at_lines(text.trim_start()),
        Profile::Helm3 => split_at_breaks(text.trim()),
    }
}

fn split_at_lines(text: &str) -> Vec<&str> {
    let lines = Finder::new("\n---");
    let mut documents = Vec::new();
    let mut start = 0;
    let mut first = text.starts_with("---").then_some(0);
    loop {
        let next = || {
            lines
                .find(&text.as_bytes()[start..])
                .map(|at| start + at + 1)
        };
        let marker = first.take().or_else(next);
        let document = &text[start..marker.unwrap_or(text.len())];
        if !document.trim().is_empty() {
            documents.push(document.trim_start());
        }
        let Some(marker) = marker else {
            return documents;
        };
        let after = text[marker + 3..].trim_start_matches([' ', '\t']);
        start = text.len() - after.len();
    }
}

fn split_at_breaks(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut from = 0;
    loop {
        let marker = if from == 0 && text.starts_with("---") {
            Some(0)
        } else {
            text[from..].find("\n---").map(|at| from + at + 1)
        };
        let document = text[start..marker.unwrap_or(text.len())].trim();
        if !document.is_empty() {
            documents.push(document);
        }
        let Some(marker) = marker else {
            return documents;
        };
        let after = text[marker + 3..].trim_start();
        start = text.len() - after.len();
        from = start.max(1);
        if from >= text.len() {
            return documents;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split_documents;
    use crate::Profile;

    #[test]
    fn helm_4_keeps_what_ends_a_document() {
        let split = |text| split_documents(text, Profile::Helm4);
        assert_eq!(
            split("\n---\na: 1\n\n---\n\nb: 2\n"),
            ["a: 1\n\n", "b: 2\n"]
        );
        assert_eq!(split("---a: 1\n--- # c\nb\n"), ["a: 1\n", "# c\nb\n"]);
        assert_eq!(split("---\n---\n"), Vec::<&str>::new());
        assert_eq!(split("a: |\n  ---\n"), ["a: |\n  ---\n"]);
        assert_eq!(split("a\n------\nb"), ["a\n", "---\nb"]);
        assert_eq!(split("a\n---"), ["a\n"]);
        assert_eq!(split("a\n---\n---"), ["a\n"]);
    }

    #[test]
    fn helm_3_trims_both_ends() {
        let split = |text| split_documents(text, Profile::Helm3);
        assert_eq!(split("\n---\na: 1\n\n---\n\nb: 2\n"), ["a: 1", "b: 2"]);
        assert_eq!(split("a: 1\n---b: 2"), ["a: 1", "b: 2"]);
        assert_eq!(split("x\n---\n\n---\nfoo"), ["x", "---\nfoo"]);
    }
}
