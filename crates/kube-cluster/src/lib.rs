//! A cluster as a seam: the Kubernetes traits, the real client, readiness and port-forward.
