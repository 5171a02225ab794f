//! [`Record`]: a Go struct with named fields, as templates, YAML and JSON see it.

use std::any::Any;

use go_text_template::{Function, Object, Value};

/// A field of a [`Record`].
#[derive(Clone, Debug)]
pub struct Field {
    /// The Go name.
    pub name: &'static str,
    /// The key in JSON and YAML.
    pub key: &'static str,
    /// Whether JSON and YAML leave an empty value out.
    pub omit_empty: bool,
    /// The value.
    pub value: Value,
}

impl Field {
    /// A field whose key is its Go name.
    pub fn new(name: &'static str, value: impl Into<Value>) -> Self {
        Self {
            name,
            key: name,
            omit_empty: false,
            value: value.into(),
        }
    }
}

/// A Go struct, or a pointer to one: fields, methods, and perhaps a `String()` of its pointer.
#[derive(Clone, Debug)]
pub struct Record {
    /// The Go type, such as `*common.Capabilities`.
    pub go_type: &'static str,
    /// The exported fields, in order.
    pub fields: Vec<Field>,
    /// How many of the fields, from the first on, are those of an embedded struct, and its name.
    pub embedded: Option<(&'static str, usize)>,
    /// A field that only printing shows: how many fields are before it, its name and its value.
    pub unexported: Option<(usize, &'static str, Value)>,
    /// The methods.
    pub methods: &'static [Function],
    /// What `String()` of a pointer to it returns, if there is one.
    pub text: Option<String>,
}

impl Record {
    /// A struct of these fields without methods.
    pub fn new(go_type: &'static str, fields: Vec<Field>) -> Self {
        Self {
            go_type,
            fields,
            embedded: None,
            unexported: None,
            methods: &[],
            text: None,
        }
    }
}

impl Record {
    /// The type of the embedded struct: the first field of an anonymous struct.
    fn embedded_type(&self) -> &'static str {
        let fields = self.go_type.strip_prefix("struct { ").unwrap_or_default();
        fields.split(';').next().unwrap_or_default()
    }
}

impl Object for Record {
    fn go_type(&self) -> &str {
        self.go_type
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.value.clone())
    }

    fn methods(&self) -> &'static [Function] {
        self.methods
    }

    fn print_addressed(&self) -> Option<String> {
        self.text.clone()
    }

    fn pointee(&self) -> Option<Value> {
        let go_type = self.go_type.strip_prefix('*')?;
        let fields = self.clone();
        Some(Value::object(Self { go_type, ..fields }))
    }

    fn copied(&self) -> Option<Value> {
        self.text.as_ref()?;
        let mut copy = self.clone();
        copy.text = None;
        copy.methods = &[];
        Some(Value::object(copy))
    }

    fn print(&self) -> String {
        let pointer = if self.go_type.starts_with('*') {
            "&"
        } else {
            ""
        };
        let fields = self.printed_fields().unwrap_or_default();
        let values: Vec<String> = fields.iter().map(|(_, value)| value.to_string()).collect();
        format!("{pointer}{{{}}}", values.join(" "))
    }

    fn printed_fields(&self) -> Option<Vec<(&str, Value)>> {
        let plain = |field: &Field| (field.name, field.value.clone());
        let Some((name, count)) = self.embedded else {
            let mut fields: Vec<_> = self.fields.iter().map(plain).collect();
            if let Some((at, name, value)) = &self.unexported {
                fields.insert((*at).min(fields.len()), (name, value.clone()));
            }
            return Some(fields);
        };
        let (inner, outer) = self.fields.split_at(count.min(self.fields.len()));
        let inner = Self::new(self.embedded_type(), inner.to_vec());
        let mut fields = vec![(name, Value::object(inner))];
        fields.extend(outer.iter().map(plain));
        Some(fields)
    }

    fn is_comparable(&self) -> bool {
        let collection = |field: &Field| matches!(field.value, Value::List(_) | Value::Map(_));
        self.go_type.starts_with('*') || !self.fields.iter().any(collection)
    }

    fn deep_equal(&self, other: &dyn Object) -> bool {
        let other = (other as &dyn Any).downcast_ref::<Self>();
        other.is_some_and(|other| {
            self.go_type == other.go_type
                && self.fields.len() == other.fields.len()
                && self
                    .fields
                    .iter()
                    .zip(&other.fields)
                    .all(|(left, right)| left.value.deep_equal(&right.value))
        })
    }
}
