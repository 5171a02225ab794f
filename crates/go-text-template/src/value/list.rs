//! [`List`]: a Go slice. Immutable once made but for [`List::sort`], because no other template
//! function writes to an element.

use std::cell::OnceCell;
use std::ops::Deref;
use std::rc::Rc;

use super::{ListType, Value, types};

/// A Go slice with its element type, shared by reference count and read as `[Value]`.
///
/// One function of the template world writes to the elements of a list: `sortAlpha` sorts a
/// `[]string` where it is. `append` and its kin make a new list.
#[derive(Clone)]
pub struct List {
    list_type: ListType,
    items: Rc<Items>,
}

struct Items {
    given: Vec<Value>,
    /// The items in order, once the list was sorted; sorting again changes nothing.
    sorted: OnceCell<Box<[Value]>>,
    nil: bool,
}

impl List {
    /// An empty `[]interface {}`.
    pub fn new() -> Self {
        Vec::new().into()
    }

    /// A list of another Go type. The caller makes sure that the items have its element type.
    pub fn with_type(list_type: ListType, items: Vec<Value>) -> Self {
        Self {
            list_type,
            items: Rc::new(Items {
                given: items,
                sorted: OnceCell::new(),
                nil: false,
            }),
        }
    }

    /// The nil slice of a type: empty, but JSON `null`.
    pub fn nil(list_type: ListType) -> Self {
        Self {
            list_type,
            items: Rc::new(Items {
                given: Vec::new(),
                sorted: OnceCell::new(),
                nil: true,
            }),
        }
    }

    /// Whether this is a nil slice.
    #[inline]
    pub fn is_nil(&self) -> bool {
        self.items.nil
    }

    /// The Go type.
    #[inline]
    pub fn list_type(&self) -> ListType {
        self.list_type
    }

    pub(super) fn identity(&self) -> usize {
        Rc::as_ptr(&self.items).addr()
    }

    /// Sorts a list of strings bytewise, for everybody who holds it, as Go's `sort.Strings` does
    /// with a slice. A list of another type stays as it is.
    ///
    /// ```
    /// use go_text_template::Value;
    ///
    /// let Value::List(letters) = Value::strings(["b", "a"]) else { unreachable!() };
    /// let alias = letters.clone();
    /// letters.sort();
    /// assert_eq!(Value::List(alias).to_string(), "[a b]");
    /// ```
    pub fn sort(&self) {
        if self.list_type == ListType::STRING {
            self.items.sorted.get_or_init(|| {
                let mut sorted = self.items.given.clone();
                sorted.sort_by(|left, right| left.as_text().cmp(&right.as_text()));
                sorted.into_boxed_slice()
            });
        }
    }

    /// Whether both are the very same list.
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.items, &other.items)
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for List {
    type Target = [Value];

    #[inline]
    fn deref(&self) -> &[Value] {
        let Items { given, sorted, .. } = &*self.items;
        sorted.get().map_or(given, |sorted| sorted)
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        Self::with_type(ListType::ANY, items)
    }
}

impl<V: Into<Value>> FromIterator<V> for List {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Self {
        items
            .into_iter()
            .map(Into::into)
            .collect::<Vec<Value>>()
            .into()
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl Items {
    /// The items, if nobody else holds this list.
    fn into_items(this: Rc<Self>) -> Vec<Value> {
        Rc::try_unwrap(this)
            .map_or_else(|_| Vec::new(), |mut items| std::mem::take(&mut items.given))
    }
}

impl List {
    pub(super) fn into_unshared_items(self) -> Vec<Value> {
        Items::into_items(self.items)
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        if self.given.iter().any(types::is_container) {
            types::dismantle(std::mem::take(&mut self.given));
        }
    }
}
