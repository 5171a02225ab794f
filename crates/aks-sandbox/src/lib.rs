//! An in-process Azure and AKS at wire level: a small world with rules for the real clients to talk to.
