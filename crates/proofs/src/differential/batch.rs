//! Many random templates in one chart, so that one process of Helm answers for all of them.
//!
//! Each case is a partial, `_cNNNN.tpl`, and a document that carries its output as base64. A case
//! that fails stops the whole chart; it is found by its name in the error, taken out, and compared
//! alone.

use std::collections::BTreeMap;
use std::io;

use helm_chart::{Chart, ChartFile, Profile};

use super::grammar::{self, CASE, Choices};
use super::helm::{Answer, CRASHED, Helm, Release, UNFINISHED};
use super::{ours, reports};

const METADATA: &str = "apiVersion: v2\nname: c\nversion: 0.1.0\nappVersion: \"1.2\"\n";
const SHARED: &str = "{{- define \"shared\" }}shared: {{ . | toJson }}{{ end }}";
const RELEASE: Release<'static> = Release {
    name: "r",
    namespace: "ns",
};

/// One case in so many is a chart with subcharts, and one a chart with schemas.
const CHARTS: usize = 40;

/// What cases are to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Mostly templates; one in forty a chart with subcharts, one in forty a chart with schemas.
    #[default]
    Mixed,
    /// Templates alone.
    Templates,
    /// Charts with subcharts.
    Trees,
    /// Charts with schemas.
    Schemas,
}

impl Kind {
    /// What the case of this number is.
    fn of(self, number: usize) -> Self {
        match (self, number % CHARTS) {
            (Self::Mixed, 39) => Self::Trees,
            (Self::Mixed, 19) => Self::Schemas,
            (Self::Mixed, _) => Self::Templates,
            (other, _) => other,
        }
    }
}

/// One template with its values, or one chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its number in the run.
    pub number: usize,
    /// The statements of the template, each of which can be left out.
    pub statements: Vec<String>,
    /// The values file, each line of which can be left out.
    pub values: String,
    /// `--set=…` and its kin.
    pub set: Vec<String>,
    /// A whole chart as path and text, instead of one template; empty if there is a template.
    pub chart: Vec<(String, String)>,
}

/// Both answers to one case, where they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The case.
    pub case: Case,
    /// What Helm says.
    pub helm: Answer,
    /// What we say.
    pub ours: Answer,
}

impl Case {
    fn has_readable_values(&self, profile: Profile) -> bool {
        ours::values(
            &[("values.yaml".to_owned(), self.values.clone())],
            &self.set,
            profile,
        )
        .is_ok()
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many cases have equal answers.
    pub equal: usize,
    /// How many of those are equal errors.
    pub equal_errors: usize,
    /// The others.
    pub different: Vec<Difference>,
}

/// `count` cases that share values, the first of number `first`.
pub fn cases(kind: Kind, seed: u64, first: usize, count: usize) -> Vec<Case> {
    let mut choices = Choices::seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ first as u64);
    let (values, set) = (grammar::values(&mut choices), grammar::sets(&mut choices));
    let case = |number| {
        let mut case = Case {
            number,
            statements: Vec::new(),
            values: values.clone(),
            set: set.clone(),
            chart: Vec::new(),
        };
        match kind.of(number) {
            Kind::Trees => (case.chart, case.values) = grammar::tree(&mut choices),
            Kind::Schemas => {
                case.chart = grammar::schema_chart(&mut choices);
                case.values.clear();
            }
            Kind::Templates | Kind::Mixed => case.statements = grammar::template(&mut choices),
        }
        if !case.chart.is_empty() {
            case.set.clear();
        }
        case
    };
    (first..first + count).map(case).collect()
}

/// Gives all cases but the first plain values where nobody can read those they share: such values
/// answer one question only. Whether that was so.
pub fn make_readable(cases: &mut [Case], profile: Profile) -> bool {
    let Some((first, others)) = cases.split_first_mut() else {
        return false;
    };
    if first.has_readable_values(profile) {
        return false;
    }
    for case in others.iter_mut().filter(|case| case.chart.is_empty()) {
        grammar::PLAIN.clone_into(&mut case.values);
        case.set.clear();
    }
    true
}

/// Compares both answers to each case. All cases have the values of the first.
///
/// # Errors
/// If Helm cannot be run.
pub fn compare(helm: &Helm, profile: Profile, mut cases: Vec<Case>) -> io::Result<Verdict> {
    let mut verdict = Verdict::default();
    if make_readable(&mut cases, profile) {
        verdict.add(cases.remove(0), helm, profile)?;
    }
    // What fails for us likely fails for Helm as well: ask for those alone at once.
    let (together, alone): (Vec<_>, Vec<_>) = cases.drain(..).partition(|case| {
        case.chart.is_empty() && answer(std::slice::from_ref(case), profile).is_ok()
    });
    for case in alone {
        verdict.add(case, helm, profile)?;
    }
    cases = together;
    while !cases.is_empty() {
        let (theirs, mine) = (ask(helm, &cases)?, answer(&cases, profile));
        let failing = [&theirs, &mine]
            .into_iter()
            .find_map(|answer| failing(answer.as_ref().err()?, &cases));
        if let Some(failing) = failing {
            let case = cases.remove(failing);
            verdict.add(case, helm, profile)?;
            continue;
        }
        let (Ok(theirs), Ok(mine)) = (&theirs, &mine) else {
            // It is not one of the cases; each for itself, then.
            for case in cases.drain(..) {
                verdict.add(case, helm, profile)?;
            }
            break;
        };
        let (theirs, mine) = (outputs(theirs), outputs(mine));
        for case in cases.drain(..) {
            let name = format!("c/templates/c{:04}.yaml", case.number);
            match (theirs.get(name.as_str()), mine.get(name.as_str())) {
                (Some(theirs), Some(mine)) if theirs == mine => verdict.equal += 1,
                // Earlier templates of the batch may have changed the values: alone it counts.
                _ => verdict.add(case, helm, profile)?,
            }
        }
    }
    Ok(verdict)
}

/// How often Helm is asked where it differs.
pub const ASKED: usize = 9;

/// Both answers to one case alone, if they differ the `asked` times that Helm is asked.
///
/// # Errors
/// If Helm cannot be run.
pub fn difference(
    helm: &Helm,
    profile: Profile,
    case: &Case,
    asked: usize,
) -> io::Result<Result<Answer, Difference>> {
    let one = std::slice::from_ref(case);
    let ours = readable(answer(one, profile));
    let mut heard = Vec::new();
    // Where the order of a map decides, such as which of two mistakes is named, any answer counts.
    loop {
        let theirs = readable(ask(helm, one)?);
        // Where Helm has no answer we are to refuse, in words of our own.
        if theirs == ours || has_no_answer(&theirs) && ours.is_err() {
            return Ok(Ok(ours));
        }
        heard.push(theirs.clone());
        if reports::same_but_for_order(&heard, &ours) {
            return Ok(Ok(ours));
        }
        if heard.len() >= asked || has_no_answer(&theirs) {
            return Ok(Err(Difference {
                case: case.clone(),
                helm: theirs,
                ours,
            }));
        }
    }
}

/// Whether Helm crashed, or was ended after a long time.
fn has_no_answer(answer: &Answer) -> bool {
    answer
        .as_ref()
        .is_err_and(|words| [CRASHED, UNFINISHED].contains(&words.as_str()))
}

impl Verdict {
    #[expect(clippy::needless_pass_by_value, reason = "the case ends here")]
    fn add(&mut self, case: Case, helm: &Helm, profile: Profile) -> io::Result<()> {
        match difference(helm, profile, &case, ASKED)? {
            Ok(answer) => {
                self.equal += 1;
                self.equal_errors += usize::from(answer.is_err());
            }
            Err(difference) => self.different.push(difference),
        }
        Ok(())
    }
}

/// Which case an error names.
fn failing(error: &str, cases: &[Case]) -> Option<usize> {
    let named = |case: &Case| {
        ["_c", "/c"]
            .iter()
            .any(|mark| error.contains(&format!("{mark}{:04}.", case.number)))
    };
    cases.iter().position(named)
}

fn files(cases: &[Case]) -> Vec<(String, String)> {
    if let [case] = cases
        && !case.chart.is_empty()
    {
        return case.chart.clone();
    }
    let mut files = vec![
        ("Chart.yaml".to_owned(), METADATA.to_owned()),
        ("a.txt".to_owned(), "l1\nl2\n".to_owned()),
        ("templates/_shared.tpl".to_owned(), SHARED.to_owned()),
    ];
    for case in cases {
        let number = format!("{:04}", case.number);
        let document =
            format!("out: {{{{ include \"c/templates/_c{number}.tpl\" . | b64enc | quote }}}}\n");
        files.push((format!("templates/c{number}.yaml"), document));
        files.push((
            format!("templates/_c{number}.tpl"),
            case.statements.concat().replace(CASE, &number),
        ));
    }
    files
}

fn ask(helm: &Helm, cases: &[Case]) -> io::Result<Answer> {
    let Some(first) = cases.first() else {
        return Ok(Ok(String::new()));
    };
    let chart = helm.folder().join("chart");
    if chart.exists() {
        std::fs::remove_dir_all(&chart)?;
    }
    std::fs::create_dir_all(chart.join("templates"))?;
    for (name, text) in files(cases) {
        let path = chart.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, text)?;
    }
    let values = helm.folder().join("values.yaml");
    std::fs::write(&values, &first.values)?;
    let answer = helm.template(&RELEASE, &chart, std::slice::from_ref(&values), &first.set)?;
    // The name of the values file is Helm's way to point at it, not part of its judgement.
    Ok(answer.map_err(|error| error.replace(&values.display().to_string(), "values.yaml")))
}

fn answer(cases: &[Case], profile: Profile) -> Answer {
    let Some(first) = cases.first() else {
        return Ok(String::new());
    };
    let files = files(cases)
        .into_iter()
        .map(|(name, text)| ChartFile::new(name, text))
        .collect();
    let chart = Chart::from_files_as(files, profile).map_err(|error| ours::words(&error))?;
    let values = ours::values(
        &[("values.yaml".to_owned(), first.values.clone())],
        &first.set,
        profile,
    )?;
    ours::template(&chart, &RELEASE, &values, profile)
}

/// The base64 of each document, by the template's path.
fn outputs(text: &str) -> BTreeMap<&str, &str> {
    let mut outputs = BTreeMap::new();
    let mut source = "";
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("# Source: ") {
            source = path;
        } else if let Some(output) = line.strip_prefix("out: ") {
            outputs.insert(source, output.trim_matches('"'));
        }
    }
    outputs
}

/// The answer for one case with its output decoded.
fn readable(answer: Answer) -> Answer {
    let text = answer?;
    let Some(output) = outputs(&text).into_values().next().map(str::to_owned) else {
        return Ok(text);
    };
    Ok(decode(&output).map_or(output, |bytes| bytes.escape_ascii().to_string()))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => 0,
                _ => return None,
            };
            bits = bits << 6 | u32::from(digit);
        }
        let kept = group
            .iter()
            .position(|byte| *byte == b'=')
            .unwrap_or(group.len())
            - 1;
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=kept]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Case, Kind, cases, decode, failing, outputs};

    #[test]
    fn base64_reads_back() {
        assert_eq!(decode("YWI="), Some(b"ab".to_vec()));
        assert_eq!(decode("YWJj"), Some(b"abc".to_vec()));
        assert_eq!(decode(""), Some(Vec::new()));
        assert_eq!(decode("Y!=="), None);
    }

    #[test]
    fn documents_are_found_by_their_source() {
        let text = "---\n# Source: c/templates/c0001.yaml\nout: \"YQ==\"\n";
        assert_eq!(outputs(text).get("c/templates/c0001.yaml"), Some(&"YQ=="));
    }

    #[test]
    fn an_error_names_its_case() {
        let cases: Vec<Case> = cases(Kind::Templates, 1, 5, 3);
        assert_eq!(
            failing("template: c/templates/_c0006.tpl:1:2: no", &cases),
            Some(1)
        );
        assert_eq!(
            failing("parse error at (c/templates/c0007.yaml:1)", &cases),
            Some(2)
        );
        assert_eq!(failing("chart is missing", &cases), None);
    }
}
