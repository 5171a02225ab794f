//! A differing case made small: statements, values and arguments left out, calls replaced by their
//! parts, as long as the answers still differ.

use std::io;

use helm_chart::Profile;

use super::batch::{Case, Difference, difference};
use super::helm::Helm;
use super::json;

/// How many smaller cases are tried for one; of charts, which have more parts, so many.
const TRIES: usize = 60;
const TRIES_OF_CHARTS: usize = 200;
/// How often Helm is asked for one of those.
const ASKED: usize = 3;

/// Instead of a call.
const SIMPLE: [&str; 4] = ["\"\"", "1", "(list)", "(dict)"];

/// The smallest case found that still differs.
///
/// # Errors
/// If Helm cannot be run.
pub fn shrink(helm: &Helm, profile: Profile, mut smallest: Difference) -> io::Result<Difference> {
    let mut tries = match smallest.case.chart.len() {
        0 => TRIES,
        _ => TRIES_OF_CHARTS,
    };
    'smaller: loop {
        for candidate in candidates(&smallest.case) {
            if tries == 0 {
                return Ok(smallest);
            }
            tries -= 1;
            let found = difference(helm, profile, &candidate, ASKED)?;
            if let Err(smaller) = found
                && alike(&smaller, &smallest)
            {
                smallest = smaller;
                continue 'smaller;
            }
        }
        return Ok(smallest);
    }
}

/// Whether two differences are of one kind: the same sides are errors.
fn alike(left: &Difference, right: &Difference) -> bool {
    (left.helm.is_ok(), left.ours.is_ok()) == (right.helm.is_ok(), right.ours.is_ok())
}

fn candidates(case: &Case) -> Vec<Case> {
    let mut candidates = Vec::new();
    if case.statements.len() > 1 {
        for left_out in 0..case.statements.len() {
            let mut smaller = case.clone();
            smaller.statements.remove(left_out);
            candidates.push(smaller);
        }
    }
    if !case.set.is_empty() {
        candidates.push(Case {
            set: Vec::new(),
            ..case.clone()
        });
    }
    for (index, statement) in case.statements.iter().enumerate() {
        for simpler in simpler(statement) {
            let mut smaller = case.clone();
            smaller.statements[index] = simpler;
            candidates.push(smaller);
        }
    }
    for child in case.children() {
        let mut smaller = case.clone();
        smaller.chart.retain(|(path, _)| !path.starts_with(&child));
        candidates.push(smaller);
    }
    for (index, (_, text)) in case.chart.iter().enumerate() {
        if text.starts_with('{') {
            for simpler in json::simpler(text) {
                let mut smaller = case.clone();
                smaller.chart[index].1 = simpler;
                candidates.push(smaller);
            }
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        for left_out in 0..lines.len() {
            let mut smaller = case.clone();
            let kept = lines.iter().enumerate();
            let kept = kept.filter(|(line, _)| *line != left_out);
            smaller.chart[index].1 = kept.map(|(_, line)| format!("{line}\n")).collect();
            candidates.push(smaller);
        }
    }
    let lines: Vec<&str> = case.values.lines().collect();
    let unused = |line: &&&str| line.split_once(':').is_some_and(|(key, _)| !case.uses(key));
    let without: Vec<&str> = lines.iter().filter(|line| !unused(line)).copied().collect();
    if without.len() < lines.len() {
        let values = without.iter().map(|line| format!("{line}\n")).collect();
        candidates.push(Case {
            values,
            ..case.clone()
        });
    }
    candidates
}

impl Case {
    /// The folders of its chart's subcharts.
    fn children(&self) -> Vec<String> {
        let folder = |path: &str| {
            let (folder, _) = path.strip_suffix("Chart.yaml")?.rsplit_once('/')?;
            Some(format!("{folder}/"))
        };
        self.chart
            .iter()
            .filter_map(|(path, _)| folder(path))
            .collect()
    }

    fn uses(&self, key: &str) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.contains(&format!(".Values.{key}")))
    }
}

/// The statement with one call replaced by something simpler, larger calls first.
fn simpler(statement: &str) -> Vec<String> {
    let mut calls = calls(statement);
    calls.sort_by_key(|(start, end)| std::cmp::Reverse(end - start));
    let mut found = Vec::new();
    for (start, end) in &calls {
        let inner = calls.iter().filter(|(from, to)| from > start && to < end);
        let parts = inner.map(|(from, to)| &statement[*from..*to]).chain(SIMPLE);
        for part in parts.filter(|part| part.len() < end - start) {
            found.push(format!(
                "{}{part}{}",
                &statement[..*start],
                &statement[*end..]
            ));
        }
    }
    found
}

/// Where the parenthesised calls begin and end, texts not looked into.
fn calls(statement: &str) -> Vec<(usize, usize)> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in statement.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'(' if !quoted => open.push(at),
            b')' if !quoted => found.extend(open.pop().map(|start| (start, at + 1))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{calls, simpler};

    #[test]
    fn calls_are_found_outside_of_texts() {
        let statement = "{{ (a \"(\" (b 1)) }}";
        let texts: Vec<&str> = calls(statement)
            .into_iter()
            .map(|(from, to)| &statement[from..to])
            .collect();
        assert_eq!(texts, ["(b 1)", "(a \"(\" (b 1))"]);
    }

    #[test]
    fn a_call_becomes_its_part() {
        assert!(simpler("{{ (a (b 1)) }}").contains(&"{{ (b 1) }}".to_owned()));
    }
}
