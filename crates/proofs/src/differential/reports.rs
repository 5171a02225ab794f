//! Reports of what schemas refuse: Helm tells much of it in the order of Go's maps. Owns which
//! reports differ in that order only; refuses to excuse the order of `allOf` and its like, and of charts.

use super::helm::Answer;

/// Whether each chart's part of `ours` is one of those that Helm answered, but for the order of maps.
pub fn same_but_for_order(helm: &[Answer], ours: &Answer) -> bool {
    let Err(ours) = ours else {
        return false;
    };
    let answers: Vec<Vec<Entry>> = helm
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .map(|report| sorted(report))
        .collect();
    let ours_sorted = sorted(ours);
    let told = |(index, part): (usize, &Entry)| {
        let mut parts = answers.iter().map(|answer| answer.get(index));
        parts.any(|other| other == Some(part))
    };
    let lengths_fit = answers
        .iter()
        .all(|answer| answer.len() == ours_sorted.len());
    ours.contains("specifications of the schema(s)")
        && lengths_fit
        && ours_sorted.iter().enumerate().all(told)
}

/// A line, with those below it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    text: String,
    below: Vec<Entry>,
}

/// Each chart's part of a report, with what Go has in a map in the order of its texts.
fn sorted(report: &str) -> Vec<Entry> {
    let mut lines = Vec::new();
    for line in report.lines() {
        // A schema that is none is told without a line end before the next chart.
        let next = line.len().saturating_sub("s1:".len());
        match line.get(next..) {
            Some(chart @ ("s1:" | "s2:" | "s3:")) if next > 0 => {
                lines.extend([&line[..next], chart]);
            }
            _ => lines.push(line),
        }
    }
    below(&mut lines.as_slice(), 0, true)
}

fn below(lines: &mut &[&str], level: usize, is_in_order: bool) -> Vec<Entry> {
    let mut entries = Vec::new();
    while let Some(line) = lines.first().filter(|line| level_of(line) >= level) {
        let own = level_of(line);
        *lines = &lines[1..];
        let has_order = [
            "'allOf' failed",
            "'anyOf' failed",
            "'oneOf' failed, none matched",
        ]
        .iter()
        .any(|order| line.ends_with(order));
        entries.push(Entry {
            text: with_sorted_names(line),
            below: below(lines, own + 1, has_order),
        });
    }
    if !is_in_order {
        entries.sort();
    }
    entries
}

/// 0 for the name of a chart and the like, 1 for what is wrong with it.
fn level_of(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches(' ').len();
    if line[indent..].starts_with("- at '") {
        2 + indent / 2
    } else {
        usize::from(!line.ends_with(':'))
    }
}

fn with_sorted_names(line: &str) -> String {
    let Some((head, rest)) = line.split_once(": additional properties ") else {
        return line.to_owned();
    };
    let mut names: Vec<&str> = rest.trim_end_matches(" not allowed").split(", ").collect();
    names.sort_unstable();
    format!("{head}: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::same_but_for_order;
    use crate::differential::helm::Answer;

    fn error(text: &str) -> Answer {
        Err(format!("the specifications of the schema(s):\n{text}"))
    }

    #[test]
    fn only_the_order_of_maps_is_helms_choice() {
        let (one, other) = (
            "c:\n- at '': x\n  - at '/b': 1\n  - at '/a': additional properties 'q', 'p' not allowed\n- at '/a': y\n",
            "c:\n- at '/a': y\n- at '': x\n  - at '/a': additional properties 'p', 'q' not allowed\n  - at '/b': 1\n",
        );
        let same = |one: &str, other: &str| same_but_for_order(&[error(one)], &error(other));
        assert!(same(one, other));
        assert!(!same(one, &other.replace("  - at '/b'", "- at '/b'")));
        assert!(!same(one, &other.replace(" 1\n", " 2\n")));
        let all = "c:\n- at '': 'allOf' failed\n  - at '': x\n  - at '': y\n";
        let turned = "c:\n- at '': 'allOf' failed\n  - at '': y\n  - at '': x\n";
        assert!(!same(all, turned));
        assert!(!same(
            "s1:\n- at '': x\ns2:\n- at '': y\n",
            "s2:\n- at '': y\ns1:\n- at '': x\n"
        ));
    }

    #[test]
    fn each_chart_has_its_own_choice() {
        let helm = [
            error("s1:\nno \"a\"s2:\n- at '': x\n- at '': y\n"),
            error("s1:\nno \"b\"s2:\n- at '': y\n- at '': z\n"),
        ];
        let ours = error("s1:\nno \"b\"s2:\n- at '': y\n- at '': x\n");
        assert!(same_but_for_order(&helm, &ours));
        assert!(!same_but_for_order(&helm[..1], &ours));
        assert!(!same_but_for_order(&helm[1..], &ours));
    }
}
