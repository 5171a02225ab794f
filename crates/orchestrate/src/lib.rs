//! The workflow: document, graph, plan, apply, report, history, rollback and destroy.
