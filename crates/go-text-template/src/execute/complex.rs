//! Complex constants: they can be written and printed, and nothing else.

use crate::fmt::format_float;
use crate::value::{Object, Value};

#[derive(Debug)]
struct Complex {
    real: f64,
    imaginary: f64,
}

pub(super) fn value(real: f64, imaginary: f64) -> Value {
    Value::object(Complex { real, imaginary })
}

impl Object for Complex {
    fn go_type(&self) -> &'static str {
        "complex128"
    }

    fn truth(&self) -> bool {
        self.real != 0.0 || self.imaginary != 0.0
    }

    fn print(&self) -> String {
        let sign = if self.imaginary.is_sign_negative() {
            ""
        } else {
            "+"
        };
        format!(
            "({}{sign}{}i)",
            format_float(self.real, 'g', None),
            format_float(self.imaginary, 'g', None)
        )
    }

    #[expect(clippy::float_cmp, reason = "Go compares complex numbers with ==")]
    fn deep_equal(&self, other: &dyn Object) -> bool {
        let other = (other as &dyn std::any::Any).downcast_ref::<Self>();
        other.is_some_and(|other| self.real == other.real && self.imaginary == other.imaginary)
    }
}
