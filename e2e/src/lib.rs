//! The proofs on real components: a real control plane, real Helm, real storage, real Airflow.
