//! The `aks-airflow` binary.

fn main() {}
