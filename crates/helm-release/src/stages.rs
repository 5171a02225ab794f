//! In which order objects and hooks run: pure, from a [`Schedule`]. It owns the order; it refuses to
//! run anything.

use kube_cluster::Object;

use crate::{Hook, Members, Schedule};

/// What is done to a release, as far as hooks care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A first revision.
    Install,
    /// A later one.
    Upgrade,
    /// A later one with an earlier one's content.
    Rollback,
    /// The end.
    Uninstall,
}

impl Operation {
    /// The event of hooks that run before the objects.
    pub(crate) fn before(self) -> &'static str {
        match self {
            Self::Install => "pre-install",
            Self::Upgrade => "pre-upgrade",
            Self::Rollback => "pre-rollback",
            Self::Uninstall => "pre-delete",
        }
    }

    /// The event of hooks that run after the objects.
    pub(crate) fn after(self) -> &'static str {
        match self {
            Self::Install => "post-install",
            Self::Upgrade => "post-upgrade",
            Self::Rollback => "post-rollback",
            Self::Uninstall => "post-delete",
        }
    }

    /// The verb in errors.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "roll back",
            Self::Uninstall => "uninstall",
        }
    }
}

/// One stretch of a run. Numbers are positions in the release's objects or hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Hooks, one after the other.
    Hooks {
        /// How progress and errors name it.
        name: String,
        /// The event they run for.
        event: &'static str,
        /// Which, in order.
        hooks: Vec<usize>,
    },
    /// Objects, in the manifest's order.
    Objects {
        /// How progress and errors name it.
        name: String,
        /// Which.
        objects: Vec<usize>,
        /// Whether to wait until they are ready before going on.
        wait: bool,
    },
}

impl Stage {
    /// How progress and errors name it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Hooks { name, .. } | Self::Objects { name, .. } => name,
        }
    }
}

/// The stages of a run; none of them is empty.
pub(crate) fn stages(
    schedule: &Schedule,
    operation: Operation,
    objects: &[&Object],
    hooks: &[(Object, &Hook)],
) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut objects_left: Vec<usize> = (0..objects.len()).collect();
    let mut before = of_event(hooks, operation.before());
    let mut after = of_event(hooks, operation.after());
    let mut unwaited: Vec<usize> = Vec::new();
    for phase in schedule.as_slice() {
        match &phase.members {
            Members::Objects(selector) => {
                let chosen = take(&mut objects_left, |index| selector.selects(objects[index]));
                if !phase.wait {
                    unwaited.extend(&chosen);
                }
                stages.push(Stage::Objects {
                    name: phase.name.clone(),
                    objects: chosen,
                    wait: phase.wait,
                });
            }
            Members::Hooks(selector) => {
                let selects = |index: usize| selector.selects(&hooks[index].0);
                let mut early = take(&mut before, selects);
                let late = take(&mut after, selects);
                let event = if early.is_empty() {
                    operation.after()
                } else {
                    operation.before()
                };
                early.extend(
                    late.into_iter()
                        .filter(|index| !early.contains(index))
                        .collect::<Vec<_>>(),
                );
                stages.push(Stage::Hooks {
                    name: phase.name.clone(),
                    event,
                    hooks: early,
                });
            }
        }
    }
    // A hook that runs in a phase runs once, also when it names both events.
    let placed: Vec<usize> = stages
        .iter()
        .flat_map(|stage| match stage {
            Stage::Hooks { hooks, .. } => hooks.as_slice(),
            Stage::Objects { .. } => &[],
        })
        .copied()
        .collect();
    before.retain(|index| !placed.contains(index));
    after.retain(|index| !placed.contains(index));

    stages.insert(
        0,
        Stage::Hooks {
            name: operation.before().into(),
            event: operation.before(),
            hooks: before,
        },
    );
    objects_left.extend(unwaited);
    objects_left.sort_unstable();
    stages.push(Stage::Objects {
        name: "objects".into(),
        objects: objects_left,
        wait: true,
    });
    stages.push(Stage::Hooks {
        name: operation.after().into(),
        event: operation.after(),
        hooks: after,
    });
    stages.retain(|stage| match stage {
        Stage::Hooks { hooks, .. } => !hooks.is_empty(),
        Stage::Objects { objects, .. } => !objects.is_empty(),
    });
    stages
}

/// The hooks of an event by weight, then name, as `pkg/action/hooks.go` of Helm v4.2 sorts them.
pub(crate) fn of_event(hooks: &[(Object, &Hook)], event: &str) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..hooks.len())
        .filter(|index| hooks[*index].1.events.iter().any(|one| one == event))
        .collect();
    chosen.sort_by(|a, b| {
        let (a, b) = (hooks[*a].1, hooks[*b].1);
        a.weight.cmp(&b.weight).then_with(|| a.name.cmp(&b.name))
    });
    chosen
}

/// Moves the chosen out of `from`, keeping their order.
fn take(from: &mut Vec<usize>, chooses: impl Fn(usize) -> bool) -> Vec<usize> {
    let (chosen, left) = from.iter().partition(|index| chooses(**index));
    *from = left;
    chosen
}

#[cfg(test)]
mod tests {
    use kube_cluster::ObjectRef;

    use super::*;
    use crate::{Phase, Selector};

    fn object(kind: &str, name: &str) -> Object {
        Object::named(&ObjectRef::namespaced("v1", kind, "ns", name))
    }

    fn hook(name: &str, weight: i32, events: &[&str]) -> Hook {
        Hook {
            name: name.into(),
            weight,
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            ..Hook::default()
        }
    }

    /// The run as one line: `pre-install[k] objects(0 1)! …`; `!` where it waits.
    fn line(schedule: &Schedule, operation: Operation) -> String {
        let objects = [
            object("Secret", "s"),
            object("Deployment", "d"),
            object("Deployment", "w"),
        ];
        let both = ["post-install", "post-upgrade"];
        let hooks = [
            hook("user", 2, &both),
            hook("migrate", 1, &both),
            hook("keys", 0, &["pre-install"]),
        ];
        let hooks: Vec<(Object, &Hook)> = hooks
            .iter()
            .map(|hook| (object("Job", &hook.name), hook))
            .collect();
        let names = |list: &[usize], of: &dyn Fn(usize) -> String| {
            list.iter()
                .map(|index| of(*index))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let objects: Vec<&Object> = objects.iter().collect();
        stages(schedule, operation, &objects, &hooks)
            .iter()
            .map(|stage| match stage {
                Stage::Hooks {
                    name, hooks: list, ..
                } => {
                    format!(
                        "{name}[{}]",
                        names(list, &|index| hooks[index].1.name.clone())
                    )
                }
                Stage::Objects {
                    name,
                    objects: list,
                    wait,
                } => format!(
                    "{name}({}){}",
                    names(list, &|index| objects[index].name().to_owned()),
                    if *wait { "!" } else { "" }
                ),
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn helm_s_order_is_hooks_objects_wait_hooks() {
        assert_eq!(
            line(&Schedule::helm(), Operation::Install),
            "pre-install[keys] objects(s d w)! post-install[migrate user]"
        );
        assert_eq!(
            line(&Schedule::helm(), Operation::Upgrade),
            "objects(s d w)! post-upgrade[migrate user]"
        );
        assert_eq!(
            line(&Schedule::helm(), Operation::Rollback),
            "objects(s d w)!"
        );
    }

    #[test]
    fn a_schedule_moves_objects_and_hooks_and_nothing_is_lost() {
        let waiter = Selector::name("w");
        let schedule = Schedule::phases([
            Phase::objects("back", waiter.clone().not()),
            Phase::hooks("migrations", Selector::name("migrate")),
            Phase::objects("front", waiter),
        ]);
        assert_eq!(
            line(&schedule, Operation::Install),
            "pre-install[keys] back(s d)! migrations[migrate] front(w)! post-install[user]"
        );
    }

    #[test]
    fn what_was_not_waited_for_is_waited_for_at_the_end() {
        let schedule = Schedule::phases([
            Phase::objects("first", Selector::name("s")).without_waiting(),
            Phase::objects("second", Selector::name("d")),
        ]);
        assert_eq!(
            line(&schedule, Operation::Upgrade),
            "first(s) second(d)! objects(s w)! post-upgrade[migrate user]"
        );
    }
}
