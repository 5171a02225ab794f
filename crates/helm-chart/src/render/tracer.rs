//! [`Tracer`]: listens to an execution and keeps, for each line written, who wrote it.
//!
//! Values are recognised by identity: the tables and lists of the values are known from the start,
//! so that a path is found through `with`, `range`, variables and arguments of `include` alike.
//! Text that a function made of included text is recognised by its lines: `indent` and its kin
//! change the ends of a line only.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use go_text_template::{Function, Map, Observer, Place, Purity, Value};

use super::blame::{BlamedLine, Draw, TemplateLine, Writer};
use super::late::TEXT_NAME;
use crate::environment::SourceKind;
use crate::values::ValuePath;

/// The lines of one executed file.
pub(super) type Finished = Vec<BlamedLine>;

/// Where a value comes from: what was read for it, and the texts it was made of.
#[derive(Clone, Default)]
struct Provenance {
    reads: Vec<ValuePath>,
    texts: Vec<Rc<Collected>>,
}

impl Provenance {
    fn read(&mut self, path: ValuePath) {
        // `.Values.a.b` reads `b`, not `a`.
        if self.reads.last().is_some_and(|last| last.contains(&path)) {
            self.reads.pop();
        }
        if !path.is_root() && !self.reads.contains(&path) {
            self.reads.push(path);
        }
    }

    fn add(&mut self, other: &Self) {
        for path in &other.reads {
            if !self.reads.contains(path) {
                self.reads.push(path.clone());
            }
        }
        self.texts.extend(other.texts.iter().cloned());
    }
}

/// Output that was collected for a function, line by line.
struct Collected {
    lines: Vec<(String, BlamedLine)>,
}

/// A statement that is being evaluated.
struct Frame {
    /// None within a text that `tpl` runs: that has no line in a file.
    at: Option<TemplateLine>,
    own: Provenance,
    /// What was read by what this one runs.
    inner: Vec<ValuePath>,
}

/// The body of a `with` or `range`.
struct Body {
    /// The statements around it.
    depth: usize,
    dot: Provenance,
}

#[derive(Default)]
struct Buffer {
    lines: Vec<Line>,
}

#[derive(Default)]
struct Line {
    writers: Vec<Writer>,
    /// Who wrote white space, as long as nothing else is there.
    blank: Option<Writer>,
}

impl Line {
    fn add(&mut self, writer: Writer, visible: bool) {
        if !visible {
            self.blank.get_or_insert(writer);
            return;
        }
        match self.writers.iter_mut().find(|known| known.at == writer.at) {
            Some(known) => {
                for path in writer.reads {
                    if !known.reads.contains(&path) {
                        known.reads.push(path);
                    }
                }
            }
            None => self.writers.push(writer),
        }
    }

    fn finish(mut self) -> BlamedLine {
        if self.writers.is_empty() {
            self.writers.extend(self.blank);
        }
        BlamedLine {
            writers: self.writers,
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Tracer {
    paths: HashMap<usize, ValuePath>,
    /// Keeps the identities in `paths` from being given to other values.
    kept: Vec<Value>,
    frames: Vec<Frame>,
    ended: Provenance,
    bodies: Vec<Body>,
    variables: Vec<Provenance>,
    buffers: Vec<Buffer>,
    finished: Finished,
    files: HashMap<usize, Lines>,
    pub(super) draws: Vec<Draw>,
}

/// Where the lines of a template begin.
struct Lines {
    file: Arc<str>,
    starts: Vec<usize>,
}

impl Tracer {
    /// A tracer that knows these values of the root chart by name.
    pub(super) fn new(values: &Map) -> Self {
        let mut tracer = Self::default();
        tracer.know(&values.clone().into(), &ValuePath::root());
        tracer
    }

    /// What the last file that was executed consists of.
    pub(super) fn take_finished(&mut self) -> Finished {
        std::mem::take(&mut self.finished)
    }

    fn know(&mut self, value: &Value, path: &ValuePath) {
        let Some(identity) = value.identity() else {
            return;
        };
        if self.paths.contains_key(&identity) {
            return;
        }
        self.paths.insert(identity, path.clone());
        self.kept.push(value.clone());
        match value {
            Value::Map(map) => {
                for (key, entry) in map.entries().iter() {
                    self.know(entry, &path.key(&key.to_str()));
                }
            }
            Value::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    self.know(item, &path.index(index));
                }
            }
            _ => {}
        }
    }

    fn path_of(&self, value: &Value) -> Option<ValuePath> {
        self.paths.get(&value.identity()?).cloned()
    }

    fn read(&mut self, path: ValuePath) {
        if let Some(frame) = self.frames.last_mut() {
            frame.own.read(path);
        }
    }

    /// The line of a place; none for texts that have no file.
    fn line(&mut self, place: Place<'_>) -> Option<TemplateLine> {
        if place.file == TEXT_NAME {
            return None;
        }
        // Texts of files live as long as the execution.
        let lines = self
            .files
            .entry(place.source.as_ptr().addr())
            .or_insert_with(|| Lines {
                file: place.file.into(),
                starts: line_starts(place.source),
            });
        let line = lines.starts.partition_point(|start| *start <= place.offset) as u32;
        Some(TemplateLine {
            file: Arc::clone(&lines.file),
            line,
        })
    }

    /// The lines around, innermost first.
    fn around(&self) -> Vec<TemplateLine> {
        let mut around: Vec<TemplateLine> = Vec::new();
        for at in self
            .frames
            .iter()
            .rev()
            .filter_map(|frame| frame.at.as_ref())
        {
            if around.last() != Some(at) {
                around.push(at.clone());
            }
        }
        around
    }

    /// A writer at this line, or at the nearest one around.
    fn writer(&self, at: Option<TemplateLine>, reads: Vec<ValuePath>) -> Option<Writer> {
        let mut around = self.around();
        let at = match at {
            Some(at) => at,
            None if around.is_empty() => return None,
            None => around.remove(0),
        };
        around.retain(|line| *line != at);
        Some(Writer {
            at,
            through: around,
            reads,
        })
    }

    /// Appends a piece of text; `writer` tells who wrote its line of this index.
    fn append(&mut self, text: &str, mut writers: impl FnMut(usize, &str) -> Vec<Writer>) {
        let Some(buffer) = self.buffers.last_mut() else {
            return;
        };
        for (index, piece) in text.split('\n').enumerate() {
            if index > 0 || buffer.lines.is_empty() {
                buffer.lines.push(Line::default());
            }
            let Some(line) = buffer.lines.last_mut() else {
                return;
            };
            let visible = !piece.trim().is_empty();
            // The first piece may be nothing: the line is another's then.
            if visible || index > 0 || !piece.is_empty() {
                for writer in writers(index, piece) {
                    line.add(writer, visible);
                }
            }
        }
    }

    fn descend(&mut self, receiver: &Value, keys: &[&Value]) {
        let Some(mut path) = self.path_of(receiver) else {
            return;
        };
        for key in keys {
            path = match key {
                Value::String(key) => path.key(&key.to_str()),
                other => match other.as_i64().map(usize::try_from) {
                    Some(Ok(index)) => path.index(index),
                    _ => return,
                },
            };
        }
        self.read(path);
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).collect()
}

impl Observer for Tracer {
    fn enter(&mut self, first: usize) {
        self.variables.truncate(first);
    }

    fn open(&mut self) {
        self.buffers.push(Buffer::default());
    }

    fn close(&mut self, text: &str) {
        let buffer = self.buffers.pop().unwrap_or_default();
        let mut lines: Vec<BlamedLine> = buffer.lines.into_iter().map(Line::finish).collect();
        lines.resize_with(text.split('\n').count(), BlamedLine::default);
        match self.frames.last_mut() {
            None => self.finished = lines,
            Some(frame) => {
                let texts = text.split('\n').map(|line| line.trim().to_owned());
                let lines = texts.zip(lines).collect();
                frame.own.texts.push(Rc::new(Collected { lines }));
            }
        }
    }

    fn text(&mut self, place: Place<'_>, text: &str) {
        let Some(at) = self.line(place) else {
            let reads = self.frames.last().map(|frame| frame.own.reads.clone());
            let writer = self.writer(None, reads.unwrap_or_default());
            return self.append(text, |_, _| writer.clone().into_iter().collect());
        };
        let Some(first) = self.writer(Some(at), Vec::new()) else {
            return;
        };
        self.append(text, |index, _| {
            let mut writer = first.clone();
            writer.at.line += index as u32;
            vec![writer]
        });
    }

    fn begin(&mut self, place: Place<'_>) {
        let at = self.line(place);
        self.frames.push(Frame {
            at,
            own: Provenance::default(),
            inner: Vec::new(),
        });
    }

    fn end(&mut self, written: Option<&str>) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let mut reads = frame.own.reads.clone();
        for path in &frame.inner {
            if !reads.contains(path) {
                reads.push(path.clone());
            }
        }
        if let Some(text) = written {
            let shown = match self.frames.last() {
                // What was handed over was read where it was handed over.
                Some(outer) if reads.is_empty() => outer.own.reads.clone(),
                _ => reads.clone(),
            };
            let own: Vec<Writer> = self.writer(frame.at.clone(), shown).into_iter().collect();
            let collected: Vec<&(String, BlamedLine)> = frame
                .own
                .texts
                .iter()
                .flat_map(|text| &text.lines)
                .filter(|(text, line)| !text.is_empty() && !line.writers.is_empty())
                .collect();
            let mut from = 0;
            self.append(text, |_, piece| {
                let piece = piece.trim();
                let known = collected[from..].iter().position(|(text, _)| text == piece);
                match known {
                    Some(at) if !piece.is_empty() => {
                        from += at + 1;
                        collected[from - 1].1.writers.clone()
                    }
                    _ => own.clone(),
                }
            });
        }
        if let Some(outer) = self.frames.last_mut() {
            for path in reads {
                if !outer.inner.contains(&path) {
                    outer.inner.push(path);
                }
            }
        }
        self.ended = frame.own;
    }

    fn begin_body(&mut self) {
        self.bodies.push(Body {
            depth: self.frames.len(),
            dot: std::mem::take(&mut self.ended),
        });
    }

    fn end_body(&mut self) {
        self.bodies.pop();
    }

    fn assign(&mut self, variable: usize) {
        let depth = self.frames.len();
        let provenance = match self.bodies.last() {
            // A turn of a loop.
            Some(body) if body.depth == depth => body.dot.clone(),
            _ => self
                .frames
                .last()
                .map_or_else(Provenance::default, |frame| {
                    let mut provenance = frame.own.clone();
                    for path in &frame.inner {
                        if !provenance.reads.contains(path) {
                            provenance.reads.push(path.clone());
                        }
                    }
                    provenance
                }),
        };
        if self.variables.len() <= variable {
            self.variables
                .resize_with(variable + 1, Provenance::default);
        }
        self.variables[variable] = provenance;
    }

    fn variable(&mut self, variable: usize) {
        if let (Some(known), Some(frame)) = (self.variables.get(variable), self.frames.last_mut()) {
            frame.own.add(known);
        }
    }

    fn dot(&mut self, dot: &Value) {
        if let Some(path) = self.path_of(dot) {
            return self.read(path);
        }
        let depth = self.frames.len();
        if let (Some(body), Some(frame)) = (self.bodies.last(), self.frames.last_mut())
            && body.depth + 1 == depth
            && dot.as_map().is_none()
        {
            frame.own.add(&body.dot);
        }
    }

    fn field(&mut self, receiver: &Value, name: &str, value: &Value) {
        if let Some(path) = self.path_of(receiver) {
            let path = path.key(name);
            self.know(value, &path);
            self.read(path);
        } else if let Some(path) = self.path_of(value) {
            self.read(path);
        }
    }

    fn call(&mut self, function: &Function, arguments: &[Value], place: Place<'_>) {
        let kind = match function.purity() {
            Purity::Random => Some(SourceKind::Random),
            Purity::Clock => Some(SourceKind::Clock),
            _ => None,
        };
        if let Some(kind) = kind {
            let at = self.line(place);
            if let Some(writer) = self.writer(at, Vec::new()) {
                self.draws.push(Draw {
                    at: writer.at,
                    through: writer.through,
                    function: function.name(),
                    kind,
                });
            }
        }
        match (function.name(), arguments) {
            ("get" | "hasKey", [map, key]) => self.descend(map, &[key]),
            ("pluck", [key, maps @ ..]) => maps.iter().for_each(|map| self.descend(map, &[key])),
            ("dig", [keys @ .., _, map]) => {
                let keys: Vec<&Value> = keys.iter().collect();
                self.descend(map, &keys);
            }
            _ => {}
        }
    }

    fn call_builtin(&mut self, name: &str, arguments: &[&Value]) {
        if let ("index", [receiver, keys @ ..]) = (name, arguments) {
            self.descend(receiver, keys);
        }
    }
}
