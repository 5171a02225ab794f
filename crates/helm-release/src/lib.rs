//! Helm releases: records, hooks, schedules, install, upgrade, rollback and uninstall.
