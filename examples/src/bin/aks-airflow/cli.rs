//! The command line: names, options, help. It owns what a user may type; it refuses to do anything.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Takes an AKS cluster to a proven Apache Airflow, and keeps it there.
///
/// Exit codes: 0 done, 1 failed, 2 the plan has changes, 3 drift (`status`), 4 preflight failed
/// (`doctor`), 64 wrong usage, 130 interrupted by Ctrl-C, 143 ended by SIGTERM; what was done stays,
/// and the same command goes on where it stopped.
#[derive(Debug, Parser)]
#[command(name = "aks-airflow", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Options every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
}

impl Cli {
    /// What a command line says. `--why` may stand for itself or before the object it asks about, so
    /// one argument too many is that object.
    ///
    /// # Errors
    /// What clap has to say: usage, help, the version.
    pub(crate) fn read(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let line: Vec<OsString> = line.into_iter().collect();
        let read = Self::try_parse_from(&line);
        match read {
            Err(error) if error.kind() == ErrorKind::UnknownArgument => with_object_of_why(line)
                .and_then(|line| Self::try_parse_from(line).ok())
                .ok_or(error),
            read => read,
        }
    }
}

/// The line with the argument behind a bare `--why` as its value.
fn with_object_of_why(mut line: Vec<OsString>) -> Option<Vec<OsString>> {
    let at = line.iter().position(|argument| argument == "--why")?;
    if at + 1 == line.len() {
        return None;
    }
    let object = line.remove(at + 1);
    line[at].push("=");
    line[at].push(object);
    Some(line)
}

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Text for people or JSON for programs (versioned, one document on standard output).
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub(crate) output: Output,
    /// Colours: by default only on a terminal, never with NO_COLOR.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Say less: no progress, only results and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// What is logged to standard error, for example `info` or `kube_cluster=debug`.
    #[arg(
        long,
        global = true,
        env = "AKS_AIRFLOW_LOG",
        value_name = "FILTER",
        default_value = "off",
        hide_default_value = true
    )]
    pub(crate) log: String,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what `up` would do; exit 2 if there is something.
    Plan(PlanArgs),
    /// Carry out a saved plan, if the world is still the one it was made for.
    Apply(ApplyArgs),
    /// Bring the cluster to what the document declares, and prove it.
    Up(UpArgs),
    /// Show how everything is, and why; exit 3 if something differs from the document.
    Status(TargetArgs),
    /// Check that Airflow works, each claim with its proof.
    Verify(TargetArgs),
    /// Forward Airflow's web interface to this machine until interrupted.
    Ui(UiArgs),
    /// Show the logs of a component.
    Logs(LogsArgs),
    /// List the finished runs and the revisions of the Airflow release.
    History(TargetArgs),
    /// Go back to an earlier revision of the Airflow release.
    Rollback(RollbackArgs),
    /// Render a chart as `helm template` does.
    Render(Box<RenderArgs>),
    /// Look into chart repositories.
    #[command(subcommand)]
    Repo(RepoCommand),
    /// Check, without changing anything, that the deployment can succeed; exit 4 if it cannot.
    Doctor(TargetArgs),
    /// Take the deployment down in reverse order; data stays unless named.
    Down(DownArgs),
    /// Print the JSON Schema of the document, for editors.
    Schema,
    /// Work with the built-in sandbox: a simulated Azure and AKS.
    #[cfg(feature = "sandbox")]
    #[command(subcommand)]
    Sandbox(SandboxCommand),
}

/// Which deployment, in which world.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// The document; repeat for overlays, later ones win. The built-in guide in the sandbox.
    #[arg(long = "file", short = 'f', value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Use the built-in sandbox instead of Azure: no network, no cluster, nothing real.
    #[cfg(feature = "sandbox")]
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// Where the sandbox keeps its world between commands.
    #[cfg(feature = "sandbox")]
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".aks-sandbox",
        env = "AKS_AIRFLOW_SANDBOX"
    )]
    pub(crate) sandbox_dir: PathBuf,
    /// Take chart archives from this folder instead of repositories (or the compact stand-ins).
    #[arg(long, value_name = "DIR")]
    pub(crate) charts: Option<PathBuf>,
    /// Where downloaded charts are kept.
    #[arg(long, value_name = "DIR", env = "AKS_AIRFLOW_CACHE")]
    pub(crate) cache: Option<PathBuf>,
}

/// Options of runs that write.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PolicyArgs {
    /// Take a declared field back that another manager changed: `spec.replicas` or
    /// `Deployment airflow/airflow-scheduler spec.replicas`. Repeatable.
    #[arg(long = "take", value_name = "FIELD")]
    pub(crate) take: Vec<String>,
    /// Adopt objects that belong to nobody's release.
    #[arg(long)]
    pub(crate) take_ownership: bool,
    /// Go on although another client left a release pending, if that client is gone.
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Change a release that another client made although its pods restart, by name: `airflow`.
    /// Without it such a release is kept as it is. Repeatable.
    #[arg(long = "restart", value_name = "RELEASE")]
    pub(crate) restart: Vec<String>,
}

/// `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Save the plan for `apply`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Explain each deviation from the guide.
    #[arg(long)]
    pub(crate) explain: bool,
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The saved plan.
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

/// `ui`.
#[derive(Debug, Args)]
pub(crate) struct UiArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The local port; 0 lets the system choose.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Print the administrator's password.
    #[arg(long)]
    pub(crate) show_password: bool,
    /// Check that the page answers through the forward, then end.
    #[arg(long)]
    pub(crate) check: bool,
}

/// `logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The component: `scheduler`, `webserver`, `triggerer`, `migrations`, or a pod's name.
    pub(crate) component: String,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// One container of the pod; all by default.
    #[arg(long, short)]
    pub(crate) container: Option<String>,
    /// Only the last lines.
    #[arg(long, default_value_t = 100)]
    pub(crate) tail: u32,
    /// The log of the container's previous run.
    #[arg(long)]
    pub(crate) previous: bool,
}

/// `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The revision to go back to; the one before the current by default.
    pub(crate) revision: Option<u32>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// `down`.
#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Also delete what holds data; name each: `keys`, `database`, `volumes`, `external-secrets`,
    /// `federated-credential`, `namespace`.
    #[arg(long = "delete", value_name = "WHAT", value_delimiter = ',')]
    pub(crate) delete: Vec<String>,
    /// Only show what would go and what would stay.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// `render`: the options of `helm template`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// The release's name.
    pub(crate) name: String,
    /// The chart: a folder, an archive, `oci://…`, or a chart's name with `--repo`.
    pub(crate) chart: String,
    /// The release's namespace.
    #[arg(long, short, default_value = "default")]
    pub(crate) namespace: String,
    /// A values file, `-` for standard input; repeatable, later ones win.
    #[arg(long = "values", short = 'f', value_name = "FILE")]
    pub(crate) values: Vec<String>,
    /// Set a value: `a.b=c,d[0]=e`; repeatable.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Set a text value.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set_string: Vec<String>,
    /// Set a JSON value: `path={…}` or a whole JSON table.
    #[arg(long, value_name = "PATH=JSON")]
    pub(crate) set_json: Vec<String>,
    /// Set a value to a file's content.
    #[arg(long, value_name = "PATH=FILE")]
    pub(crate) set_file: Vec<String>,
    /// Set a value to everything after the first `=`.
    #[arg(long, value_name = "PATH=TEXT")]
    pub(crate) set_literal: Vec<String>,
    /// Whose output to reproduce.
    #[arg(long, value_enum, default_value_t = ProfileArg::Helm4)]
    pub(crate) profile: ProfileArg,
    /// The Kubernetes version templates see; the profile's own by default.
    #[arg(long, value_name = "VERSION")]
    pub(crate) kube_version: Option<String>,
    /// An API version templates see as served; repeatable or comma-separated.
    #[arg(long, short, value_delimiter = ',', value_name = "GROUP/VERSION")]
    pub(crate) api_versions: Vec<String>,
    /// Print the CRDs of `crds/` first.
    #[arg(long)]
    pub(crate) include_crds: bool,
    /// Only the documents of these templates: `templates/a.yaml`; repeatable.
    #[arg(long, short, value_name = "TEMPLATE")]
    pub(crate) show_only: Vec<String>,
    /// Set `.Release.IsUpgrade` instead of `.Release.IsInstall`.
    #[arg(long)]
    pub(crate) is_upgrade: bool,
    /// Leave hooks out.
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// Leave test hooks out.
    #[arg(long)]
    pub(crate) skip_tests: bool,
    /// Answer `lookup` from manifests, as if they were all the cluster holds: a file, or a folder
    /// with files of YAML or JSON, as `kubectl get -o yaml` prints them; repeatable.
    #[arg(long, value_name = "PATH")]
    pub(crate) lookup: Vec<PathBuf>,
    /// Do not check values against the chart's schema.
    #[arg(long)]
    pub(crate) skip_schema_validation: bool,
    /// Write one file per template into this folder instead of printing.
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<PathBuf>,
    /// A program that gets the manifest, without hooks, on its input and answers with the one to
    /// use: in this folder with `./`, else looked for in `PATH`.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["output_dir", "why"])]
    pub(crate) post_renderer: Option<String>,
    /// An argument for the post-renderer; repeatable.
    #[arg(
        long,
        value_name = "ARG",
        requires = "post_renderer",
        allow_hyphen_values = true
    )]
    pub(crate) post_renderer_args: Vec<String>,
    /// The repository a chart's name is looked up in.
    #[arg(long, value_name = "URL")]
    pub(crate) repo: Option<String>,
    /// The chart's version, or a constraint such as `^1.15`.
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// Name each template line that used a random or clock source, and the objects it touched.
    #[arg(long)]
    pub(crate) explain_random: bool,
    /// Print beside each line of output the template line that wrote it and the values it read,
    /// with who set them; of one object, or of all.
    #[arg(
        long,
        value_name = "KIND/NAME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["output_dir", "show_only"]
    )]
    pub(crate) why: Option<String>,
}

/// Whose output to reproduce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// Helm 4.2.4.
    Helm4,
    /// Helm 3.21.4.
    Helm3,
}

/// `repo`.
#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// List a chart's versions, with the app's version and a description.
    Search(SearchArgs),
}

/// `repo search`.
#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// The chart's name.
    pub(crate) chart: String,
    /// The repository: `https://…`, `oci://…` or a folder of archives.
    #[arg(long, value_name = "URL")]
    pub(crate) repo: Option<String>,
    /// Only versions that satisfy this constraint.
    #[arg(long, value_name = "CONSTRAINT")]
    pub(crate) version: Option<String>,
    /// Use the sandbox's repository.
    #[cfg(feature = "sandbox")]
    #[arg(long)]
    pub(crate) sandbox: bool,
}

/// `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Serve the sandbox on loopback and write a kubeconfig, until interrupted.
    Serve(SandboxServeArgs),
    /// Inject a fault, or clear all with `none`.
    Fault(SandboxFaultArgs),
    /// Throw the sandbox's world away.
    Reset(SandboxDirArgs),
    /// Show the requests the world has seen, by class.
    Requests(SandboxDirArgs),
}

/// Where the sandbox keeps its world.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Args)]
pub(crate) struct SandboxDirArgs {
    /// Where the sandbox keeps its world.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".aks-sandbox",
        env = "AKS_AIRFLOW_SANDBOX"
    )]
    pub(crate) sandbox_dir: PathBuf,
}

/// `sandbox serve`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(crate) struct SandboxServeArgs {
    #[command(flatten)]
    pub(crate) dir: SandboxDirArgs,
    /// Where to write the kubeconfig.
    #[arg(long, value_name = "FILE", default_value = "aks-sandbox.kubeconfig")]
    pub(crate) kubeconfig: PathBuf,
    /// Offer the archives of this folder at their projects' hosts, instead of the compact stand-ins.
    #[arg(long, value_name = "DIR")]
    pub(crate) charts: Option<PathBuf>,
}

/// `sandbox fault`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(crate) struct SandboxFaultArgs {
    /// Which fault; `none` clears all, several may be given.
    #[arg(required = true)]
    pub(crate) faults: Vec<String>,
    #[command(flatten)]
    pub(crate) dir: SandboxDirArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Cli, Command};

    #[test]
    fn no_option_is_declared_twice() {
        Cli::command().debug_assert();
    }

    #[test]
    fn why_takes_an_object_or_none_in_any_place() {
        for (line, why) in [
            ("render r c --why", ""),
            ("render --why r c", ""),
            ("render r --why ./c", ""),
            ("render r c --why=Pod/p", "Pod/p"),
            ("render r c --why Pod/p", "Pod/p"),
            ("render --why Pod/p r c", "Pod/p"),
            ("render r --why Pod/p ./c --set a=b", "Pod/p"),
        ] {
            let words = ["aks-airflow"].into_iter().chain(line.split(' '));
            let cli = Cli::read(words.map(Into::into)).unwrap();
            let Command::Render(args) = cli.command else {
                panic!("{line}");
            };
            assert_eq!((args.name.as_str(), args.why.as_deref()), ("r", Some(why)));
        }
        let too_many = "aks-airflow render r c --why Pod/p other";
        assert!(Cli::read(too_many.split(' ').map(Into::into)).is_err());
    }
}
