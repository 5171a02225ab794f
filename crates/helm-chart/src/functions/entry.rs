//! [`Entry`]: one function of the library: its name, Go signature, purity, code and description.

use go_text_template::{Code, Function, Purity, Type};

/// A function and what to tell about it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    function: Function,
    docs: &'static str,
    helm3: bool,
}

impl Entry {
    /// A pure function of exactly these parameters.
    pub(super) const fn new(
        name: &'static str,
        parameters: &'static [Type],
        code: Code,
        docs: &'static str,
    ) -> Self {
        Self {
            function: Function::new(name, parameters, code),
            docs,
            helm3: true,
        }
    }

    /// A pure function whose last parameter repeats.
    pub(super) const fn variadic(
        name: &'static str,
        parameters: &'static [Type],
        code: Code,
        docs: &'static str,
    ) -> Self {
        Self {
            function: Function::variadic(name, parameters, code),
            docs,
            helm3: true,
        }
    }

    /// The same function with another purity.
    pub(super) const fn purity(self, purity: Purity) -> Self {
        Self {
            function: self.function.with_purity(purity),
            ..self
        }
    }

    /// The same function under another name.
    pub(super) const fn named(self, name: &'static str) -> Self {
        Self {
            function: self.function.with_name(name),
            ..self
        }
    }

    /// The same function, unknown to Helm 3.
    pub(super) const fn since_helm4(self) -> Self {
        Self {
            helm3: false,
            ..self
        }
    }

    /// The name in templates.
    pub const fn name(&self) -> &'static str {
        self.function.name()
    }

    /// The function, ready for [`go_text_template::Functions`].
    pub const fn function(&self) -> &Function {
        &self.function
    }

    /// What it does, in a sentence.
    pub const fn docs(&self) -> &'static str {
        self.docs
    }

    /// Whether Helm 3 knows it.
    pub const fn in_helm3(&self) -> bool {
        self.helm3
    }
}
