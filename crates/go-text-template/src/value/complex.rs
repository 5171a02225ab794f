//! Complex constants: they can be written, printed and told apart, and nothing else.

use super::{Kind, Object, Value};
use crate::fmt::sprint_value;

/// A `complex128`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complex {
    pub(crate) real: f64,
    pub(crate) imaginary: f64,
}

pub(crate) fn complex(real: f64, imaginary: f64) -> Value {
    Value::object(Complex { real, imaginary })
}

impl Object for Complex {
    fn go_type(&self) -> &'static str {
        "complex128"
    }

    fn kind(&self) -> Kind {
        Kind::Complex128
    }

    fn truth(&self) -> bool {
        self.real != 0.0 || self.imaginary != 0.0
    }

    fn print(&self) -> String {
        sprint_value(&Value::object(*self)).to_string()
    }

    #[expect(clippy::float_cmp, reason = "Go compares complex numbers with ==")]
    fn deep_equal(&self, other: &dyn Object) -> bool {
        let other = (other as &dyn std::any::Any).downcast_ref::<Self>();
        other.is_some_and(|other| self.real == other.real && self.imaginary == other.imaginary)
    }
}
