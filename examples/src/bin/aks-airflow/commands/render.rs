//! `render`: what `helm template` prints, in either Helm's words.
//!
//! Owns the way from the command line to the text: finding the chart, reading values, choosing what
//! is shown. It refuses to judge a chart; that is `helm_chart`'s part. It asks no cluster: `lookup`
//! finds nothing, as under `helm template`, or what `--lookup` gives.
//!
//! Source of the behaviour: Helm's `pkg/cmd/template.go` and `pkg/action/install.go`, v4.2.4 and
//! v3.21.4.

mod chart;
mod error;
mod lookup;
mod output_dir;
mod post_renderer;
mod randomness;
mod why;

use std::io::{Read, Write};
use std::path::PathBuf;

use helm_chart::manifest::TextOptions;
use helm_chart::render::{Answers, RenderOptions, Rendered};
use helm_chart::values::{Origins, ValueOptions};
use helm_chart::{Capabilities, Chart, Environment, Profile, Release, Values};

pub(crate) use error::RenderCommandError;
use post_renderer::Program;
use why::Why;

use crate::cli::{ProfileArg, RenderArgs};
use crate::console::Console;
use crate::failure::Failure;

/// What `render` has to say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rendering {
    /// What belongs on standard output, byte for byte what `helm template` prints there.
    pub(crate) text: String,
    /// Remarks for standard error, one line each: Helm's warnings, and what is random.
    pub(crate) remarks: Vec<String>,
    /// With `--why`, what is printed instead of the text.
    pub(crate) why: Option<Why>,
}

/// `render`: prints what `helm template` prints, remarks on standard error.
///
/// # Errors
/// See [`rendering`].
pub(crate) async fn render(args: &RenderArgs, console: &Console) -> Result<u8, Failure> {
    let failed = |error: RenderCommandError| match &error {
        RenderCommandError::Write { .. } => Failure::after_writes(error),
        _ => Failure::before_writes(error),
    };
    let rendering = rendering(args).await.map_err(failed)?;
    for remark in &rendering.remarks {
        console.note(remark);
    }
    let text = match &rendering.why {
        Some(why) if console.is_json() => {
            console.result("", &why.json);
            return Ok(0);
        }
        None if console.is_json() => {
            let json = serde_json::json!({
                "format": 1,
                "manifest": rendering.text,
                "remarks": rendering.remarks,
            });
            console.result("", &json);
            return Ok(0);
        }
        Some(why) => &why.text,
        None => &rendering.text,
    };
    let printed = std::io::stdout().lock().write_all(text.as_bytes());
    match printed {
        // Whoever reads may stop early, as `head` does.
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            let path = PathBuf::from("standard output");
            Err(failed(RenderCommandError::Write { path, source }))
        }
        _ => Ok(0),
    }
}

/// Renders a chart as `helm template` does. Nothing is written, unless `--output-dir` asks for it.
///
/// # Errors
/// [`RenderCommandError`], in Helm's words where the chart or its values are at fault.
pub(crate) async fn rendering(args: &RenderArgs) -> Result<Rendering, RenderCommandError> {
    check_name(&args.name)?;
    let profile = profile(args.profile);
    let given = given(args)?;
    let read = |name: &str| read_text(name).map_err(|error| error.with_reason());
    let values = given.merge(profile, read)?;
    let chart = chart::load(args, profile).await?;
    let options = options(args, profile)?;
    let release = release(args);

    let environment = environment();
    let (rendered, blame) = if args.why.is_some() || args.explain_random {
        let (rendered, blame) =
            chart.render_with_blame(&release, &values, &environment, &options)?;
        (rendered, Some(blame))
    } else {
        let rendered = chart.render_with(&release, &values, &environment, &options)?;
        (rendered, None)
    };
    let mut remarks = rendered.warnings.clone();
    let mut explained = None;
    if let Some(blame) = &blame {
        if args.explain_random {
            let other = again(&chart, &release, &values, &options)?;
            remarks.extend(randomness::explain(&rendered, blame, &other));
        }
        if let Some(wanted) = &args.why {
            let resolved = chart
                .resolve(values.as_table(), profile)
                .map_err(helm_chart::render::RenderError::from)?;
            let origins = Origins::new(&resolved, &given, profile)?;
            explained = Some(why::why(args, wanted, &rendered, blame, &origins)?);
        }
    }
    let text = match explained {
        Some(_) => String::new(),
        None => text(args, profile, &rendered)?,
    };
    // The process ends soon: taking these apart piece by piece would only cost time.
    std::mem::forget((chart, rendered));
    Ok(Rendering {
        text,
        remarks,
        why: explained,
    })
}

/// The other text this chart could have rendered to: other random bytes at another time.
fn again(
    chart: &Chart,
    release: &Release,
    values: &Values,
    options: &RenderOptions,
) -> Result<Rendered, RenderCommandError> {
    let sealed = Environment::sealed();
    Ok(chart.render_with(release, values, &sealed, options)?)
}

fn environment() -> Environment {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has randomness");
    Environment::new(jiff::Timestamp::now(), seed).with_zone(jiff::tz::TimeZone::system())
}

fn profile(profile: ProfileArg) -> Profile {
    match profile {
        ProfileArg::Helm4 => Profile::Helm4,
        ProfileArg::Helm3 => Profile::Helm3,
    }
}

fn release(args: &RenderArgs) -> Release {
    if args.is_upgrade {
        Release::upgrade(&args.name, &args.namespace, 1)
    } else {
        Release::install(&args.name, &args.namespace)
    }
}

fn options(args: &RenderArgs, profile: Profile) -> Result<RenderOptions, RenderCommandError> {
    let mut capabilities =
        Capabilities::assumed(profile).with_api_versions(args.api_versions.iter().cloned());
    if let Some(version) = &args.kube_version {
        capabilities = capabilities.with_kube_version(version)?;
    }
    let mut options = RenderOptions::default()
        .with_profile(profile)
        .with_capabilities(capabilities);
    if !args.lookup.is_empty() {
        options.answers = Answers::from_source(lookup::Manifests::read(&args.lookup)?);
    }
    options.skip_schema = args.skip_schema_validation;
    options.once = !args.explain_random;
    Ok(options)
}

/// The longest name of a release: 63, what labels hold, less ten for suffixes of objects.
const MAX_RELEASE_NAME: usize = 53;

fn check_name(name: &str) -> Result<(), RenderCommandError> {
    let label = |part: &str| {
        let edges = part.starts_with('-') || part.ends_with('-');
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty() && !edges && part.bytes().all(plain)
    };
    if name.len() <= MAX_RELEASE_NAME && name.split('.').all(label) {
        return Ok(());
    }
    Err(RenderCommandError::Name {
        name: name.to_owned(),
    })
}

/// What the command line says about values.
fn given(args: &RenderArgs) -> Result<ValueOptions, RenderCommandError> {
    let mut files = Vec::with_capacity(args.values.len());
    for name in &args.values {
        files.push((name.clone(), read_text(name)?));
    }
    Ok(ValueOptions {
        files,
        set_json: args.set_json.clone(),
        set: args.set.clone(),
        set_string: args.set_string.clone(),
        set_file: args.set_file.clone(),
        set_literal: args.set_literal.clone(),
    })
}

/// A file's text, or standard input for `-`. Bytes that are no UTF-8 become U+FFFD.
fn read_text(name: &str) -> Result<String, RenderCommandError> {
    let bytes = if name.trim() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        std::fs::read(name)
    };
    let bytes = bytes.map_err(|source| RenderCommandError::Read {
        path: PathBuf::from(name),
        source,
    })?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn text(
    args: &RenderArgs,
    profile: Profile,
    rendered: &Rendered,
) -> Result<String, RenderCommandError> {
    let options = TextOptions {
        include_crds: args.include_crds,
        no_hooks: args.no_hooks,
        skip_tests: args.skip_tests,
        ..TextOptions::default()
    };
    if let Some(folder) = &args.output_dir {
        let mut text = output_dir::write(folder, &rendered.manifests, options)?;
        let shown = show_only(&args.show_only, "\n", profile)?;
        text.push_str(shown.as_deref().unwrap_or("\n"));
        return Ok(text);
    }
    let manifests = &rendered.manifests;
    let text = match &args.post_renderer {
        Some(name) => {
            let arguments = &args.post_renderer_args;
            manifests.template_text_through(options, &Program { name, arguments })?
        }
        None => manifests.template_text(options),
    };
    Ok(show_only(&args.show_only, &text, profile)?.unwrap_or(text))
}

/// The documents of the named templates in the order they were named; `None` where none is.
fn show_only(
    wanted: &[String],
    text: &str,
    profile: Profile,
) -> Result<Option<String>, RenderCommandError> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let documents = helm_chart::manifest::split_documents(text, profile);
    let mut shown = String::new();
    for pattern in wanted {
        let before = shown.len();
        for document in &documents {
            let Some(template) = template_of(document) else {
                continue;
            };
            if helm_chart::archive::path_matches(pattern, template) {
                shown.push_str("---\n");
                shown.push_str(document);
                shown.push('\n');
            }
        }
        if shown.len() == before {
            let template = pattern.clone();
            return Err(RenderCommandError::NoTemplate { template });
        }
    }
    Ok(Some(shown))
}

/// The path within the chart after `# Source: CHART/`.
fn template_of(document: &str) -> Option<&str> {
    const MARK: &str = "# Source: ";
    document.match_indices(MARK).find_map(|(at, _)| {
        let line = document[at + MARK.len()..].lines().next()?;
        let (chart, path) = line.split_once('/')?;
        (!chart.is_empty() && !path.is_empty()).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::{Profile, check_name, show_only};

    const TEXT: &str = "---\n# Source: c/templates/a.yaml\nkind: A\n---\n# Source: c/templates/b.yaml\nkind: B\n---\n# Source: c/templates/a.yaml\nkind: C\n";

    fn shown(wanted: &[&str]) -> Option<String> {
        let wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
        show_only(&wanted, TEXT, Profile::Helm3).unwrap()
    }

    #[test]
    fn show_only_keeps_the_named_templates_in_the_order_of_naming() {
        assert_eq!(shown(&[]), None);
        let b = "---\n# Source: c/templates/b.yaml\nkind: B\n";
        let a = "---\n# Source: c/templates/a.yaml\nkind: A\n---\n# Source: c/templates/a.yaml\nkind: C\n";
        assert_eq!(
            shown(&["templates/b.yaml", "templates/a*"]),
            Some(format!("{b}{a}"))
        );
    }

    #[test]
    fn a_template_nobody_wrote_cannot_be_shown() {
        let error = show_only(&["templates/x.yaml".to_owned()], TEXT, Profile::Helm4).unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not find template templates/x.yaml in chart"
        );
    }

    #[test]
    fn names_of_releases_are_names_of_objects() {
        for name in ["a", "airflow", "a-b.c1", &"a".repeat(53)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", "a_b", &"a".repeat(54)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
