//! Blob-backed logs: storage account, container, lifecycle, PersistentVolume and claim.
