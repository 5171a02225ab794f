//! [`Limits`]: the budgets of an execution and their defaults. It owns the numbers; it refuses to
//! count: that is the execution's.

/// What an execution may spend. Exceeding a budget is an error of kind [`ErrorKind::Limit`](crate::ErrorKind::Limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Template nodes and pipeline stages executed, and what functions return: a step for eight
    /// bytes of text, and for each item of a list; 100 million by default.
    pub steps: u64,
    /// Bytes of one template's output, and of everything included in it together; 1 GiB by default.
    pub output: u64,
    /// Templates running inside one another; 10,000 by default (Go: 100,000).
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 100_000_000,
            output: 1 << 30,
            depth: 10_000,
        }
    }
}
