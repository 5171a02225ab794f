//! `.Release` and `.Capabilities` as templates see them.

use go_text_template::{Function, FunctionError, List, ListType, Map, Scope, Type, Value};

use crate::functions::{Field, Record};
use crate::release::Operation;
use crate::{Capabilities, Profile, Release};

/// The value of `.Release`.
pub(super) fn release(release: &Release) -> Value {
    let map = Map::from_iter([
        (
            "IsInstall",
            Value::Bool(release.operation == Operation::Install),
        ),
        (
            "IsUpgrade",
            Value::Bool(release.operation == Operation::Upgrade),
        ),
        ("Name", release.name.as_str().into()),
        ("Namespace", release.namespace.as_str().into()),
        ("Revision", Value::Int(i64::from(release.revision))),
        ("Service", "Helm".into()),
    ]);
    map.into()
}

/// The value of `.Capabilities`.
pub(super) fn capabilities(capabilities: &Capabilities, profile: Profile) -> Value {
    let names = match profile {
        Profile::Helm4 => &Names::HELM4,
        Profile::Helm3 => &Names::HELM3,
    };
    let versions = capabilities
        .api_versions
        .iter()
        .map(|version| version.as_str().into());
    let versions = List::with_type(names.version_set, versions.collect());
    let fields = vec![
        Field::new("KubeVersion", kube_version(capabilities, names)),
        Field::new("APIVersions", versions),
        Field::new("HelmVersion", helm_version(capabilities, profile)),
    ];
    Value::object(Record::new(names.capabilities, fields))
}

fn kube_version(capabilities: &Capabilities, names: &Names) -> Value {
    let version = &capabilities.kube_version;
    let mut record = Record::new(
        names.kube_version,
        vec![
            Field::new("Version", version.version.as_str()),
            Field::new("Major", version.major.as_str()),
            Field::new("Minor", version.minor.as_str()),
        ],
    );
    record.methods = KUBE_METHODS;
    if names.prints_normalized {
        let normalized = version.normalized.as_str().into();
        record.unexported = Some((1, "normalizedVersion", normalized));
    }
    record.text = Some(
        if names.prints_normalized {
            &version.normalized
        } else {
            &version.version
        }
        .clone(),
    );
    Value::object(record)
}

fn helm_version(capabilities: &Capabilities, profile: Profile) -> Value {
    let helm = &capabilities.helm_version;
    let mut fields = vec![
        text("Version", "version", &helm.version),
        text("GitCommit", "git_commit", &helm.git_commit),
        text("GitTreeState", "git_tree_state", &helm.git_tree_state),
        text("GoVersion", "go_version", &helm.go_version),
    ];
    if profile == Profile::Helm4 {
        fields.push(text(
            "KubeClientVersion",
            "kube_client_version",
            &helm.kube_client_version,
        ));
    }
    Value::object(Record::new("version.BuildInfo", fields))
}

fn text(name: &'static str, key: &'static str, value: &str) -> Field {
    Field {
        name,
        key,
        omit_empty: true,
        value: value.into(),
    }
}

struct Names {
    capabilities: &'static str,
    kube_version: &'static str,
    version_set: ListType,
    /// Helm 4 prints the version without its suffix; Helm 3 knows one form only.
    prints_normalized: bool,
}

impl Names {
    const HELM4: Self = Self {
        capabilities: "*common.Capabilities",
        kube_version: "common.KubeVersion",
        version_set: ListType::named("common.VersionSet", Type::String).with_methods(SET_METHODS),
        prints_normalized: true,
    };
    const HELM3: Self = Self {
        capabilities: "*chartutil.Capabilities",
        kube_version: "chartutil.KubeVersion",
        version_set: ListType::named("chartutil.VersionSet", Type::String)
            .with_methods(SET_METHODS),
        prints_normalized: false,
    };
}

const SET_METHODS: &[Function] = &[Function::new("Has", &[Type::String], |_, arguments| {
    let versions = arguments.first().and_then(Value::as_list);
    let wanted = arguments.get(1).and_then(Value::as_text);
    Ok(versions
        .is_some_and(|versions| versions.iter().any(|version| version.as_text() == wanted))
        .into())
})];

const KUBE_METHODS: &[Function] = &[
    Function::new("String", &[], version_text),
    Function::new("GitVersion", &[], version_text),
];

#[expect(clippy::unnecessary_wraps, reason = "the signature of every function")]
fn version_text(_: &mut Scope<'_>, arguments: &[Value]) -> Result<Value, FunctionError> {
    let record = arguments.first().and_then(Value::downcast::<Record>);
    let text = record.and_then(|record| record.text.as_deref());
    Ok(text.unwrap_or_default().into())
}
