//! Chance in Helm's own answers: random bytes, clocks, the order of Go's maps. It owns telling such
//! lines from differences; it refuses to excuse anything that Helm itself repeats.
//!
//! Helm is asked several times. What its answers agree in must be in ours as well; where they
//! disagree only the form is compared: as many lines, the same words between what changes, the same
//! lengths of what keeps its length, or the same words in another order.

use super::helm::Answer;
use super::reports;

/// What the comparison of several answers of Helm's with ours came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Ours is an answer Helm could have given; in so many lines chance decides.
    Equal {
        /// Lines of which only the form is compared.
        random_lines: usize,
    },
    /// The first place that chance does not explain, with Helm's text and ours.
    Different(String),
}

/// Whether `ours` is what Helm answered, given several answers of Helm's to the same question.
pub fn judge(helm: &[Answer], ours: &Answer) -> Verdict {
    if helm.contains(ours) {
        return Verdict::Equal { random_lines: 0 };
    }
    let texts: Vec<&str> = helm
        .iter()
        .filter_map(|answer| answer.as_deref().ok())
        .collect();
    match ours {
        Ok(ours) if texts.len() == helm.len() => judge_texts(&texts, ours),
        Err(ours) if texts.is_empty() => judge_errors(helm, ours),
        _ => Verdict::Different(format!(
            "\n  Helm {:?}\n  ours {ours:?}",
            helm.first().map(shortened)
        )),
    }
}

/// An answer that fits on a screen: of a long text the beginning.
fn shortened(answer: &Answer) -> Answer {
    const LENGTH: usize = 2000;
    let cut = |text: &String| text.chars().take(LENGTH).collect::<String>();
    answer.as_ref().map(cut).map_err(cut)
}

/// Problems that Helm finds in the order of a map may come in any order, if Helm shows that they do.
fn judge_errors(helm: &[Answer], ours: &str) -> Verdict {
    let errors: Vec<&str> = helm
        .iter()
        .filter_map(|answer| answer.as_deref().err())
        .map(String::as_str)
        .collect();
    if reports::same_but_for_order(helm, &Err(ours.to_owned())) {
        return Verdict::Equal {
            random_lines: ours.lines().count(),
        };
    }
    let repeats = errors.windows(2).all(|pair| pair[0] == pair[1]);
    if !repeats && errors.iter().any(|error| same_words(error, ours, '\n')) {
        return Verdict::Equal {
            random_lines: ours.lines().count(),
        };
    }
    let first = errors.first().copied().unwrap_or_default();
    Verdict::Different(format!("\n  Helm {first:?}\n  ours {ours:?}"))
}

fn judge_texts(helm: &[&str], ours: &str) -> Verdict {
    let helm: Vec<Vec<&str>> = helm.iter().map(|text| text.split('\n').collect()).collect();
    let ours: Vec<&str> = ours.split('\n').collect();
    let lengths_repeat = helm.windows(2).all(|pair| pair[0].len() == pair[1].len());
    let Some(first) = helm.first() else {
        return Verdict::Different("Helm was not asked".to_owned());
    };
    let mut random_lines = 0;
    let mut line = 0;
    while line < first.len().max(ours.len()) {
        let theirs: Vec<Option<&str>> = helm.iter().map(|text| text.get(line).copied()).collect();
        let mine = ours.get(line).copied();
        if theirs.iter().all(|text| *text == mine) {
            line += 1;
            continue;
        }
        if let Some(length) = reordered(&helm, &ours, line) {
            random_lines += length;
            line += length;
            continue;
        }
        let in_form = match (theirs.iter().copied().collect::<Option<Vec<&str>>>(), mine) {
            (Some(theirs), Some(mine)) if lengths_repeat => has_form(&theirs, mine),
            _ => false,
        };
        if !in_form {
            return Verdict::Different(format!(
                "line {}\n  Helm {:?}\n  ours {mine:?}",
                line + 1,
                theirs.first().copied().flatten()
            ));
        }
        random_lines += 1;
        line += 1;
    }
    Verdict::Equal { random_lines }
}

/// How many lines from here on are the same ones in another order, if Helm itself reorders them.
fn reordered(helm: &[Vec<&str>], ours: &[&str], from: usize) -> Option<usize> {
    const LONGEST: usize = 200;
    let first = helm.first()?;
    let mut theirs: Vec<&str> = Vec::new();
    let mut mine: Vec<&str> = Vec::new();
    let mut repeats = true;
    for length in 1..=LONGEST {
        let at = from + length - 1;
        theirs.push(first.get(at)?);
        mine.push(ours.get(at)?);
        repeats &= helm.iter().all(|text| text.get(at) == first.get(at));
        if length == 1 || repeats {
            continue;
        }
        let (mut left, mut right) = (theirs.clone(), mine.clone());
        left.sort_unstable();
        right.sort_unstable();
        if left == right {
            return Some(length);
        }
    }
    None
}

/// Whether a line has the form of Helm's answers for it, which disagree.
fn has_form(helm: &[&str], ours: &str) -> bool {
    let Some(first) = helm.first() else {
        return false;
    };
    if helm.iter().all(|line| line == first) {
        return false;
    }
    if helm
        .iter()
        .any(|line| same_words(line, ours, ',') || same_words(line, ours, ' '))
    {
        return true;
    }
    let words: Vec<Vec<&str>> = helm.iter().map(|line| words(line)).collect();
    let mine = self::words(ours);
    let count = words[0].len();
    if words.iter().any(|line| line.len() != count) {
        // Random symbols stand between the words; only what comes before them is certain.
        let certain = helm
            .iter()
            .map(|line| common_start(first, line))
            .min()
            .unwrap_or_default();
        return common_start(first, ours) + SLACK >= certain;
    }
    mine.len() == count
        && (0..count).all(|index| {
            let theirs: Vec<&str> = words.iter().map(|line| line[index]).collect();
            fits(&theirs, mine[index])
        })
}

/// Random texts may begin alike: so many bytes.
const SLACK: usize = 2;

fn common_start(left: &str, right: &str) -> usize {
    left.bytes()
        .zip(right.bytes())
        .take_while(|(left, right)| left == right)
        .count()
}

/// A line cut into words (letters, digits and the marks of base64) and what stands between them.
fn words(line: &str) -> Vec<&str> {
    let is_word =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/' | '=');
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let kind = is_word(first);
        let end = rest
            .find(|letter| is_word(letter) != kind)
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

/// Whether a word can stand where Helm put these.
fn fits(helm: &[&str], ours: &str) -> bool {
    /// Up to here a random word has a length the chart asked for; certificates vary in theirs.
    const EXACT: usize = 64;
    let Some(first) = helm.first() else {
        return false;
    };
    if helm.iter().all(|word| word == first) {
        return *first == ours;
    }
    let lengths = helm.iter().map(|word| word.len());
    let (shortest, longest) = (
        lengths.clone().min().unwrap_or_default(),
        lengths.max().unwrap_or_default(),
    );
    let digits = helm
        .iter()
        .all(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    if digits {
        return !ours.is_empty() && ours.bytes().all(|byte| byte.is_ascii_digit());
    }
    if shortest == longest && longest <= EXACT {
        return ours.len() == longest;
    }
    ours.len() + longest / 10 + 1 >= shortest && ours.len() <= longest + longest / 10 + 1
}

fn same_words(left: &str, right: &str, between: char) -> bool {
    let sorted = |text: &str| {
        let mut words: Vec<String> = text
            .split(between)
            .map(|word| word.trim().to_owned())
            .collect();
        words.sort_unstable();
        words
    };
    sorted(left) == sorted(right)
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge};

    fn texts(helm: &[&str], ours: &str) -> Verdict {
        let helm: Vec<_> = helm.iter().map(|text| Ok((*text).to_owned())).collect();
        judge(&helm, &Ok(ours.to_owned()))
    }

    fn is_equal(helm: &[&str], ours: &str) -> bool {
        matches!(texts(helm, ours), Verdict::Equal { .. })
    }

    #[test]
    fn what_helm_repeats_must_be_ours() {
        assert!(is_equal(&["a\nb", "a\nb"], "a\nb"));
        assert!(!is_equal(&["a\nb", "a\nb"], "a\nc"));
        assert!(!is_equal(&["a\nb", "a\nb"], "a"));
        assert!(!is_equal(&["a", "a"], "a\nb"));
        assert!(!is_equal(&["a: x1 \nb", "a: x2 \nb"], "a: x3 \nc"));
    }

    #[test]
    fn where_helm_disagrees_with_itself_the_form_counts() {
        let helm = ["key: \"x4Tq\"", "key: \"99aa\""];
        assert_eq!(
            texts(&helm, "key: \"Bcde\""),
            Verdict::Equal { random_lines: 1 }
        );
        assert!(!is_equal(&helm, "key: \"Bcd\""));
        assert!(!is_equal(&helm, "kez: \"Bcde\""));
        assert!(!is_equal(&helm, "key: Bcde"));
        assert!(is_equal(&["port: 30123", "port: 3099"], "port: 31111"));
        assert!(!is_equal(&["port: 30123", "port: 3099"], "port: x"));
        assert!(is_equal(&["p: a$b!", "p: %&1c!"], "p: z__y"));
        assert!(!is_equal(&["pass: a$b!", "pass: %&1c!"], "p: z__y"));
    }

    #[test]
    fn an_order_that_helm_changes_may_be_any() {
        assert!(is_equal(&["a,b,c", "b,a,c"], "c,a,b"));
        assert!(!is_equal(&["a,b,c", "b,a,c"], "c,a"));
        assert!(is_equal(
            &["x\n1\n2\n3\ny", "x\n2\n1\n3\ny"],
            "x\n3\n1\n2\ny"
        ));
        assert!(!is_equal(&["x\n1\n2\ny", "x\n1\n2\ny"], "x\n2\n1\ny"));
    }

    #[test]
    fn errors_are_compared_likewise() {
        let errors = |helm: &[&str], ours: &str| {
            let helm: Vec<_> = helm.iter().map(|text| Err((*text).to_owned())).collect();
            matches!(judge(&helm, &Err(ours.to_owned())), Verdict::Equal { .. })
        };
        assert!(errors(&["a", "a"], "a"));
        assert!(!errors(&["a\nb", "a\nb"], "b\na"));
        assert!(errors(&["a\nb\nc", "b\na\nc"], "c\nb\na"));
        assert!(!errors(&["a\nb", "b\na"], "b"));
    }
}
