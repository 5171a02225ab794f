//! Values against a [`Compiled`](super::Compiled) schema, keyword by keyword in the order of
//! santhosh-tekuri/jsonschema v6 (`validator.go`), which is the order of Helm's messages.
//!
//! Where that validator walks a map, whose order is chance in Go, names are sorted here.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Number, Value};

use super::compiled::{Additional, Dependency, Node, NodeId, Wanted, type_of};
use super::document::Draft;
use super::equality::{compare, equal, is_multiple, twins};
use super::problem::{
    Kind, Place, Problem, bound, count, grouped, join_quoted, options, quote, wanted,
};
use super::scope::Scope;
use super::unevaluated::Left;

/// How often values may meet schemas in one check: some hundred times what a large chart needs.
const MOST_STEPS: u64 = 20_000_000;
/// How deep schemas may lead into each other and into values.
const MOST_DEEP: usize = 4_000;

/// Drafts of the resources in a schema that is itself the value, by their places.
pub(super) type Drafts = HashMap<String, NodeId>;

/// Checks a value against a node. With `drafts` the value is a schema: each resource in it is
/// checked against its own draft.
///
/// # Errors
/// What is wrong, as one problem.
pub(super) fn check(
    nodes: &[Node],
    root: NodeId,
    value: &Value,
    drafts: Option<&Drafts>,
) -> Result<(), Problem> {
    let checker = Checker {
        nodes,
        drafts,
        steps: Cell::new(MOST_STEPS),
    };
    let scope = Scope::first(root);
    let visit = Visit {
        value,
        place: &Place::Top,
        node: root,
        scope: &scope,
        is_asked_why: true,
        draft: drafts.map(|_| root),
    };
    let left = Left::of(value, &nodes[root], false);
    checker.visit(visit, left).map(|_| ())
}

struct Checker<'n> {
    nodes: &'n [Node],
    drafts: Option<&'n Drafts>,
    /// How often a value may still meet a schema.
    steps: Cell<u64>,
}

/// One value that meets one schema.
#[derive(Clone, Copy)]
struct Visit<'v, 's> {
    value: &'v Value,
    place: &'s Place<'s>,
    node: NodeId,
    scope: &'s Scope<'s>,
    /// Whether the problems are told, or only that there are some.
    is_asked_why: bool,
    /// The draft's own schema that the value is checked against, if the value is a schema.
    draft: Option<NodeId>,
}

/// What a visit has found so far.
struct Findings<'v> {
    left: Left<'v>,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add<T>(&mut self, result: Result<T, Problem>) {
        if let Err(problem) = result {
            self.problems.push(problem);
        }
    }
}

impl Visit<'_, '_> {
    fn problem(&self, text: impl FnOnce() -> String) -> Problem {
        if self.is_asked_why {
            Problem::new(self.place.pointer(), text())
        } else {
            Problem::default()
        }
    }

    fn problem_with(&self, causes: Vec<Problem>, text: impl FnOnce() -> String) -> Problem {
        let mut problem = self.problem(text);
        problem.causes = causes;
        problem
    }
}

impl Checker<'_> {
    fn visit<'v>(&self, visit: Visit<'v, '_>, left: Left<'v>) -> Result<Left<'v>, Problem> {
        // Those that met the value before are looked through for a cycle.
        let cost = 1 + visit.scope.before as u64 / 4;
        let steps = self.steps.get().checked_sub(cost);
        let Some(steps) = steps.filter(|_| visit.scope.depth <= MOST_DEEP) else {
            return Err(visit.problem(|| "the schema leads too far".to_owned()));
        };
        self.steps.set(steps);
        stacker::maybe_grow(256 * 1024, 2 * 1024 * 1024, || self.visit_here(visit, left))
    }

    fn visit_here<'v>(&self, visit: Visit<'v, '_>, left: Left<'v>) -> Result<Left<'v>, Problem> {
        let node = &self.nodes[visit.node];
        match node.always {
            Some(true) => return Ok(left),
            Some(false) => return Err(visit.problem(|| "false schema".to_owned())),
            None => {}
        }
        if let Some(before) = visit.scope.cycle() {
            return Err(visit.problem(|| {
                let [here, before] = [visit.scope, before].map(|scope| scope.keywords(self.nodes));
                let location = &node.location;
                format!("both {here} and {before} resolve to {location:?} causing reference cycle")
            }));
        }
        ends(node, &visit)?;
        let mut findings = Findings {
            left,
            problems: Vec::new(),
        };
        if let Some(target) = node.reference {
            let result = self.refer(&visit, &mut findings, target, "$ref");
            if node.draft < Draft::Draft2019 {
                return result.map(|()| findings.left);
            }
            findings.add(result);
        }
        match visit.value {
            Value::Object(entries) => self.check_object(node, &visit, entries, &mut findings),
            Value::Array(items) => self.check_array(node, &visit, items, &mut findings),
            Value::String(text) => check_text(node, &visit, text, &mut findings),
            Value::Number(number) => check_number(node, &visit, number, &mut findings),
            Value::Null | Value::Bool(_) => {}
        }
        if findings.problems.is_empty() || visit.is_asked_why {
            if node.draft >= Draft::Draft2019 {
                self.check_moving_references(node, &visit, &mut findings);
            }
            self.check_conditions(node, &visit, &mut findings);
            if node.draft >= Draft::Draft2019 {
                self.check_unevaluated(node, &visit, &mut findings);
            }
        }
        match findings.problems.len() {
            0 => Ok(findings.left),
            1 => Err(findings.problems.remove(0)),
            _ => Err(Problem {
                place: visit.place.pointer(),
                kind: Kind::Group,
                causes: findings.problems,
            }),
        }
    }

    fn check_object<'v>(
        &self,
        node: &Node,
        visit: &Visit<'v, '_>,
        entries: &'v Map<String, Value>,
        findings: &mut Findings<'v>,
    ) {
        let size = entries.len() as i64;
        if let Some(want) = node.min_properties.filter(|want| size < *want) {
            let problem = visit.problem(|| count("minProperties", size, want));
            findings.problems.push(problem);
        }
        if let Some(want) = node.max_properties.filter(|want| size > *want) {
            let problem = visit.problem(|| count("maxProperties", size, want));
            findings.problems.push(problem);
        }
        if let Some(missing) = missing(entries, &node.required) {
            findings
                .problems
                .push(visit.problem(|| match missing.as_slice() {
                    [one] => format!("missing property {}", quote(one)),
                    several => format!("missing properties {}", join_quoted(several)),
                }));
        }
        let is_enough =
            |findings: &Findings<'_>| !visit.is_asked_why && !findings.problems.is_empty();
        if is_enough(findings) {
            return;
        }
        for (name, dependency) in &node.dependencies {
            if !entries.contains_key(name) {
                continue;
            }
            match dependency {
                Dependency::Names(names) => depend(visit, entries, name, names, findings),
                Dependency::Schema(schema) => {
                    let result = self.same_value(visit, findings, *schema, "", visit.is_asked_why);
                    findings.add(result);
                }
            }
        }
        let mut excess = Vec::new();
        let sorted: BTreeSet<&String> = entries.keys().collect();
        for name in sorted {
            if is_enough(findings) {
                return;
            }
            let place = Place::Name(visit.place, name);
            let value = &entries[name];
            let mut is_evaluated = false;
            let schemas = node.patterns_of(name);
            for schema in node
                .properties
                .get(name)
                .copied()
                .into_iter()
                .chain(schemas)
            {
                is_evaluated = true;
                findings.add(self.other_value(visit, schema, value, &place));
            }
            if !is_evaluated && let Some(additional) = &node.additional_properties {
                is_evaluated = true;
                match additional {
                    Additional::Allowed(true) => {}
                    Additional::Allowed(false) => excess.push(name),
                    Additional::Schema(schema) => {
                        findings.add(self.other_value(visit, *schema, value, &place));
                    }
                }
            }
            if is_evaluated {
                findings.left.names.remove(name.as_str());
            }
        }
        if !excess.is_empty() {
            findings.problems.push(
                visit.problem(|| {
                    format!("additional properties {} not allowed", join_quoted(excess))
                }),
            );
        }
        if node.draft >= Draft::Draft6
            && let Some(schema) = node.property_names
        {
            for name in entries.keys() {
                self.check_name(visit, schema, name, findings);
            }
        }
        for (name, schema) in &node.dependent_schemas {
            if entries.contains_key(name) {
                let result = self.same_value(visit, findings, *schema, "", visit.is_asked_why);
                findings.add(result);
            }
        }
        for (name, names) in &node.dependent_required {
            if entries.contains_key(name) {
                depend(visit, entries, name, names, findings);
            }
        }
    }

    fn check_name(
        &self,
        visit: &Visit<'_, '_>,
        schema: NodeId,
        name: &str,
        findings: &mut Findings<'_>,
    ) {
        let value = Value::String(name.to_owned());
        let (mut schema, mut draft) = (schema, visit.draft);
        if let Some(own) = self.draft_at(schema, draft, visit.place) {
            (schema, draft) = (own, Some(own));
        }
        let scope = Scope::first(schema);
        let below = Visit {
            value: &value,
            place: &Place::Top,
            node: schema,
            scope: &scope,
            is_asked_why: true,
            draft,
        };
        let left = Left::of(&value, &self.nodes[schema], false);
        if let Err(problem) = self.visit(below, left) {
            findings.problems.push(Problem {
                place: String::new(),
                kind: Kind::Text(format!("invalid propertyName {}", quote(name))),
                causes: problem.at_the_top(),
            });
        }
    }

    fn check_array<'v>(
        &self,
        node: &Node,
        visit: &Visit<'v, '_>,
        items: &'v [Value],
        findings: &mut Findings<'v>,
    ) {
        let size = items.len() as i64;
        if let Some(want) = node.min_items.filter(|want| size < *want) {
            findings
                .problems
                .push(visit.problem(|| count("minItems", size, want)));
        }
        if let Some(want) = node.max_items.filter(|want| size > *want) {
            findings
                .problems
                .push(visit.problem(|| count("maxItems", size, want)));
        }
        if node.unique_items
            && let Some((first, second)) = twins(items)
        {
            findings.problems.push(visit.problem(|| {
                let [first, second] = [first, second].map(|index| grouped(index as i64));
                format!("items at {first} and {second} are equal")
            }));
        }
        let behind = node.first_items.len().min(items.len());
        // Helm counts what is behind the first items from there.
        let mut visit_item = |schema: NodeId, index: usize, from: usize| {
            let place = Place::Index(visit.place, index - from);
            findings.add(self.other_value(visit, schema, &items[index], &place));
        };
        for (index, schema) in node.first_items.iter().enumerate().take(behind) {
            visit_item(*schema, index, 0);
        }
        if let Some(schema) = node.items {
            (behind..items.len()).for_each(|index| visit_item(schema, index, behind));
        }
        match &node.additional_items {
            Some(Additional::Allowed(false)) if behind != items.len() => {
                findings.problems.push(visit.problem(|| {
                    let count = grouped((items.len() - behind) as i64);
                    format!("last {count} additionalItem(s) not allowed")
                }));
            }
            Some(Additional::Schema(schema)) => {
                (behind..items.len()).for_each(|index| visit_item(*schema, index, behind));
            }
            _ => {}
        }
        if let Some(schema) = node.contains {
            self.check_contains(node, schema, visit, items, findings);
        }
    }

    fn check_contains<'v>(
        &self,
        node: &Node,
        schema: NodeId,
        visit: &Visit<'v, '_>,
        items: &'v [Value],
        findings: &mut Findings<'v>,
    ) {
        let (mut causes, mut matched) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let place = Place::Index(visit.place, index);
            if let Err(problem) = self.other_value(visit, schema, item, &place) {
                causes.push(problem);
            } else {
                matched.push(index);
                if node.draft >= Draft::Draft2020 {
                    findings.left.indices.remove(&index);
                }
            }
        }
        let found = matched.len() as i64;
        let places = || {
            let places: Vec<String> = matched.iter().map(usize::to_string).collect();
            format!("matched {} items at {}", grouped(found), places.join(" "))
        };
        match node.min_contains {
            Some(want) if found < want => {
                let problem = visit.problem_with(causes, || {
                    let found = match found {
                        0 => "none matched".to_owned(),
                        _ => places(),
                    };
                    let want = grouped(want);
                    format!("min {want} items required to match contains schema, but {found}")
                });
                findings.problems.push(problem);
            }
            None if matched.is_empty() => {
                let text = || "no items match contains schema".to_owned();
                findings.problems.push(visit.problem_with(causes, text));
            }
            _ => {}
        }
        if let Some(want) = node.max_contains.filter(|want| found > *want) {
            findings.problems.push(visit.problem(|| {
                let (want, found) = (grouped(want), places());
                format!("max {want} items required to match contains schema, but {found}")
            }));
        }
    }

    fn check_conditions<'v>(
        &self,
        node: &Node,
        visit: &Visit<'v, '_>,
        findings: &mut Findings<'v>,
    ) {
        let why = visit.is_asked_why;
        if let Some(schema) = node.not
            && self.same_value(visit, findings, schema, "", false).is_ok()
        {
            findings
                .problems
                .push(visit.problem(|| "'not' failed".to_owned()));
        }
        let mut causes = Vec::new();
        for schema in &node.all_of {
            if let Err(problem) = self.same_value(visit, findings, *schema, "", why) {
                causes.push(problem);
                if !why {
                    break;
                }
            }
        }
        if !causes.is_empty() {
            let problem = visit.problem_with(causes, || "'allOf' failed".to_owned());
            findings.problems.push(problem);
        }
        let (mut causes, mut has_matched) = (Vec::new(), node.any_of.is_empty());
        for schema in &node.any_of {
            if let Err(problem) = self.same_value(visit, findings, *schema, "", why) {
                causes.push(problem);
            } else {
                has_matched = true;
                if findings.left.is_empty() {
                    break;
                }
            }
        }
        if !has_matched {
            let problem = visit.problem_with(causes, || "'anyOf' failed".to_owned());
            findings.problems.push(problem);
        }
        self.check_one_of(node, visit, findings);
        if let Some(condition) = node.condition {
            let branch = match self.same_value(visit, findings, condition, "", false) {
                Ok(()) => node.then,
                Err(_) => node.otherwise,
            };
            if let Some(branch) = branch {
                let result = self.same_value(visit, findings, branch, "", why);
                findings.add(result);
            }
        }
    }

    fn check_one_of<'v>(&self, node: &Node, visit: &Visit<'v, '_>, findings: &mut Findings<'v>) {
        let (mut causes, mut matched) = (Vec::new(), None);
        for (index, schema) in node.one_of.iter().enumerate() {
            let why = visit.is_asked_why && matched.is_none();
            match (self.same_value(visit, findings, *schema, "", why), matched) {
                (Err(problem), None) => causes.push(problem),
                (Err(_), Some(_)) => {}
                (Ok(()), None) => matched = Some(index),
                (Ok(()), Some(first)) => {
                    findings.problems.push(visit.problem(|| {
                        let [first, second] = [first, index].map(|index| grouped(index as i64));
                        format!("'oneOf' failed, subschemas {first}, {second} matched")
                    }));
                    break;
                }
            }
        }
        if matched.is_none() && !node.one_of.is_empty() {
            let text = || "'oneOf' failed, none matched".to_owned();
            findings.problems.push(visit.problem_with(causes, text));
        }
    }

    fn check_unevaluated<'v>(
        &self,
        node: &Node,
        visit: &Visit<'v, '_>,
        findings: &mut Findings<'v>,
    ) {
        match visit.value {
            Value::Object(entries) => {
                if let Some(schema) = node.unevaluated_properties {
                    for name in std::mem::take(&mut findings.left.names) {
                        let place = Place::Name(visit.place, name);
                        findings.add(self.other_value(visit, schema, &entries[name], &place));
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = node.unevaluated_items {
                    for index in std::mem::take(&mut findings.left.indices) {
                        let place = Place::Index(visit.place, index);
                        findings.add(self.other_value(visit, schema, &items[index], &place));
                    }
                }
            }
            _ => {}
        }
    }

    /// `$recursiveRef` and `$dynamicRef`: what they mean depends on the way here.
    fn check_moving_references<'v>(
        &self,
        node: &Node,
        visit: &Visit<'v, '_>,
        findings: &mut Findings<'v>,
    ) {
        let scopes = || std::iter::successors(Some(visit.scope), |scope| scope.parent);
        let around = |scope: &Scope<'_>| &self.nodes[self.nodes[scope.node].resource];
        if let Some(mut target) = node.recursive_reference {
            if self.nodes[target].recursive_anchor {
                let anchored = scopes().filter(|scope| around(scope).recursive_anchor);
                target = anchored.last().map_or(target, |scope| scope.node);
            }
            let result = self.refer(visit, findings, target, "$recursiveRef");
            findings.add(result);
        }
        if let Some((first, name)) = &node.dynamic_reference {
            let mut target = *first;
            if let Some(name) = name
                && self.nodes[target].dynamic_anchor.as_ref() == Some(name)
            {
                let named = scopes().filter_map(|scope| around(scope).dynamic_anchors.get(name));
                target = named.last().copied().unwrap_or(target);
            }
            let result = self.refer(visit, findings, target, "$dynamicRef");
            findings.add(result);
        }
    }

    fn refer<'v>(
        &self,
        visit: &Visit<'v, '_>,
        findings: &mut Findings<'v>,
        target: NodeId,
        keyword: &'static str,
    ) -> Result<(), Problem> {
        let result = self.same_value(visit, findings, target, keyword, visit.is_asked_why);
        result.map_err(|problem| Problem {
            place: visit.place.pointer(),
            kind: Kind::Reference,
            causes: problem.at_the_top(),
        })
    }

    /// Another schema meets the same value.
    fn same_value<'v>(
        &self,
        visit: &Visit<'v, '_>,
        findings: &mut Findings<'v>,
        node: NodeId,
        keyword: &'static str,
        is_asked_why: bool,
    ) -> Result<(), Problem> {
        let scope = Scope {
            node,
            keyword,
            value: visit.scope.value,
            depth: visit.scope.depth + 1,
            before: visit.scope.before + 1,
            parent: Some(visit.scope),
        };
        let mut below = Visit {
            node,
            scope: &scope,
            is_asked_why,
            ..*visit
        };
        let left = Left::of(visit.value, &self.nodes[node], !findings.left.is_empty());
        self.choose_draft(&mut below);
        let left = self.visit(below, left)?;
        findings.left.merge(&left);
        Ok(())
    }

    /// A schema meets a value below this one.
    fn other_value(
        &self,
        visit: &Visit<'_, '_>,
        node: NodeId,
        value: &Value,
        place: &Place<'_>,
    ) -> Result<(), Problem> {
        let scope = Scope {
            node,
            keyword: "",
            value: visit.scope.value + 1,
            depth: visit.scope.depth + 1,
            before: 0,
            parent: Some(visit.scope),
        };
        let mut below = Visit {
            value,
            place,
            node,
            scope: &scope,
            is_asked_why: visit.is_asked_why,
            draft: visit.draft,
        };
        let left = Left::of(value, &self.nodes[node], false);
        self.choose_draft(&mut below);
        self.visit(below, left).map(|_| ())
    }

    fn choose_draft(&self, visit: &mut Visit<'_, '_>) {
        if let Some(own) = self.draft_at(visit.node, visit.draft, visit.place) {
            visit.node = own;
            visit.draft = Some(own);
        }
    }

    /// The draft's own schema of a resource that stands at this place of the schema being checked.
    fn draft_at(&self, node: NodeId, draft: Option<NodeId>, place: &Place<'_>) -> Option<NodeId> {
        if draft? != node {
            return None;
        }
        self.drafts?.get(&place.pointer()).copied()
    }
}

impl Node {
    fn patterns_of(&self, name: &str) -> impl Iterator<Item = NodeId> {
        let patterns = self.pattern_properties.iter();
        patterns
            .filter(move |(pattern, _)| pattern.is_match(name.as_bytes()))
            .map(|(_, schema)| *schema)
    }
}

/// Type, constant, enumeration and format: the first that fails is the only problem.
fn ends(node: &Node, visit: &Visit<'_, '_>) -> Result<(), Problem> {
    let value = visit.value;
    if !node.types.is_empty() && !node.types.include(value) {
        return Err(visit.problem(|| {
            let want = node.types.names().join(" or ");
            format!("got {}, want {want}", type_of(value))
        }));
    }
    if let Some(constant) = &node.constant
        && !equal(value, &constant.value)
    {
        return Err(visit.problem(|| match constant.value {
            Value::Array(_) | Value::Object(_) => "'const' failed".to_owned(),
            _ => format!("value must be {}", wanted(constant)),
        }));
    }
    let is_option = |options: &[Wanted]| {
        // A text that writes a number is one where there are numbers among the options.
        let is_type = |option: &Wanted| type_of(&option.value) == type_of(value);
        options.iter().any(is_type) && options.iter().any(|option| equal(value, &option.value))
    };
    if let Some(known) = &node.options
        && !is_option(known)
    {
        return Err(visit.problem(|| options(known)));
    }
    if let (Some(format), Value::String(text)) = (node.format, value) {
        format.check(text).map_err(|why| {
            visit.problem(|| format!("{} is not valid {}: {why}", quote(text), format.name()))
        })?;
    }
    Ok(())
}

fn check_text(node: &Node, visit: &Visit<'_, '_>, text: &str, findings: &mut Findings<'_>) {
    let length = || text.chars().count() as i64;
    if let Some(want) = node.min_length.filter(|want| length() < *want) {
        let problem = visit.problem(|| count("minLength", length(), want));
        findings.problems.push(problem);
    }
    if let Some(want) = node.max_length.filter(|want| length() > *want) {
        let problem = visit.problem(|| count("maxLength", length(), want));
        findings.problems.push(problem);
    }
    if let Some((pattern, regex)) = &node.pattern
        && !regex.is_match(text.as_bytes())
    {
        findings.problems.push(
            visit.problem(|| format!("{} does not match pattern {}", quote(text), quote(pattern))),
        );
    }
}

fn check_number(node: &Node, visit: &Visit<'_, '_>, number: &Number, findings: &mut Findings<'_>) {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let mut limit = |keyword, want: &Option<Number>, refused: &[std::cmp::Ordering]| {
        if let Some(want) = want
            && refused.contains(&compare(number, want))
        {
            let problem = visit.problem(|| bound(keyword, number, want));
            findings.problems.push(problem);
        }
    };
    limit("minimum", &node.minimum, &[Less]);
    limit("maximum", &node.maximum, &[Greater]);
    limit("exclusiveMinimum", &node.exclusive_minimum, &[Less, Equal]);
    limit(
        "exclusiveMaximum",
        &node.exclusive_maximum,
        &[Greater, Equal],
    );
    if let Some(want) = &node.multiple_of
        && !is_multiple(number, want)
    {
        let problem = visit.problem(|| bound("multipleOf", number, want));
        findings.problems.push(problem);
    }
}

fn depend(
    visit: &Visit<'_, '_>,
    entries: &Map<String, Value>,
    name: &str,
    names: &[String],
    findings: &mut Findings<'_>,
) {
    if let Some(missing) = missing(entries, names) {
        findings.problems.push(visit.problem(|| {
            let missing = join_quoted(missing);
            format!("properties {missing} required, if {} exists", quote(name))
        }));
    }
}

/// The names that are not there; `None` if all are.
fn missing<'n>(entries: &Map<String, Value>, names: &'n [String]) -> Option<Vec<&'n String>> {
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !entries.contains_key(*name))
        .collect();
    (!missing.is_empty()).then_some(missing)
}
