//! Us against the rivals, measured in one run.
//!
//! Owns what is measured and how: the same inputs, in turns, the same bytes. It refuses to measure
//! what differs: a render whose digest is not the rival's ends the run.

pub mod measure;
pub mod process;
pub mod renders;
pub mod synthetic;
