//! Us against the rivals, measured in one run.
