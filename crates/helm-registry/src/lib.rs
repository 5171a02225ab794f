//! Chart sources as a seam: HTTP index, OCI, folder and memory, with a content cache and checked digests.
